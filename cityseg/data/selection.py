"""Choose and order the frames of a catalogue."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cityseg.arrays import BoolArray, FloatArray, IntArray
from cityseg.data.catalogue import Catalogue
from cityseg.labels import CLASS_NAMES

#: What frames can be ordered by: their name, or the share of a class in their pixels.
BY_NAME: Final = "name"
IGNORED: Final = "ignored"
ORDERS: Final = (BY_NAME, IGNORED, *CLASS_NAMES)
#: In place of a reason code, for frames that no conversion has reached.
UNSEEN: Final = "not converted yet"


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of frames and their order; an empty field excludes nothing.

    `label` is a class or IGNORED: then the frame contains it, and its share of the frame's pixels
    lies within `share`, 0–1. `problems` are keys of `annotations.REASONS` or `findings.WARNINGS`,
    or UNSEEN. `text` is a part of the name in any case. `order` is one of ORDERS; ties are ordered
    by name, as are frames of unknown share, which come last.
    """

    splits: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    text: str = ""
    label: str = ""
    share: tuple[float, float] = (0.0, 1.0)
    problems: tuple[str, ...] = ()
    order: str = BY_NAME
    descending: bool = False

    def positions_in(self, catalogue: Catalogue) -> IntArray:
        """Positions of the chosen frames in `catalogue.frames`, in the chosen order."""
        chosen = np.flatnonzero(self._by_name(catalogue) & self._by_content(catalogue))
        if self.order == BY_NAME:
            return chosen[::-1] if self.descending else chosen
        shares = shares_of(catalogue, self.order)[chosen]
        return chosen[np.argsort(-shares if self.descending else shares, kind="stable")]

    def _by_name(self, catalogue: Catalogue) -> BoolArray:
        text = self.text.strip().casefold()
        return np.array(
            [
                (not self.splits or frame.split in self.splits)
                and (not self.cities or frame.city in self.cities)
                and text in frame.name.casefold()
                for frame in catalogue.frames
            ],
            np.bool_,
        )

    def _by_content(self, catalogue: Catalogue) -> BoolArray:
        chosen = np.ones(len(catalogue.frames), np.bool_)
        if self.label:
            shares = shares_of(catalogue, self.label)
            low, high = self.share
            chosen &= (shares > 0) & (shares >= low) & (shares <= high)
        if self.problems:
            wanted = set(self.problems)
            chosen &= np.array(
                [not wanted.isdisjoint(problems) for problems in problems_of(catalogue)], np.bool_
            )
        return chosen


def shares_of(catalogue: Catalogue, label: str) -> FloatArray:
    """(N,) share of a class, or of IGNORED, in each frame's pixels, 0–1; NaN where unknown."""
    if label == IGNORED:
        return catalogue.ignored_share
    shares: FloatArray = catalogue.class_shares[:, CLASS_NAMES.index(label)]
    return shares


def problems_of(catalogue: Catalogue) -> list[tuple[str, ...]]:
    """Why each frame has no mask, a key of `annotations.REASONS` or UNSEEN; else its warnings."""
    return [
        (UNSEEN,) if new else (reason,) if reason else warnings
        for new, reason, warnings in zip(
            catalogue.unseen.tolist(), catalogue.reasons, catalogue.warnings, strict=True
        )
    ]
