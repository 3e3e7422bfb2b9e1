"""The content of a dataset's frames, as arrays over all frames, without opening a picture.

The sources are the files that `masks.convert` writes beside the masks, pixels.npz and report.json,
and the names of the masks.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, FloatArray, IntArray
from cityseg.data.frame import MASK_SUFFIX, Frame
from cityseg.data.layouts import SPLITS
from cityseg.data.pixel_aspect import PixelAspect, prove_pixel_aspect
from cityseg.data.pixel_table import read_pixels
from cityseg.data.report import Report
from cityseg.errors import DatasetError
from cityseg.labels import IGNORE, LABEL_IDS_OF_CLASSES, NUM_LABEL_IDS, TRAIN_ID_OF_LABEL_ID
from cityseg.system import pausing_collection

Scalar = TypeVar("Scalar", bound=np.generic)

#: The label ids that have no train id and become 255, ascending.
IGNORED_LABEL_IDS: Final = np.flatnonzero(TRAIN_ID_OF_LABEL_ID[:NUM_LABEL_IDS] == IGNORE)


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Occurrences of each label id in `frames` frames: (34,) `pixels`, (34,) `images` with it."""

    frames: int
    pixels: IntArray
    images: IntArray


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The N frames of a dataset and their content; arrays are in the order of `frames`.

    `pixels` is (N, 34) int64 by label id, zeros where `counted` (N,) is false. `converted` (N,) is
    true for frames with a mask. `reasons` and `details` are set for frames that the last
    conversion skipped, else None; `warnings` are those of converted ones. `pixel_aspect` is the
    shape of all pixels.
    """

    frames: Sequence[Frame]
    pixels: IntArray
    counted: BoolArray
    converted: BoolArray
    reasons: tuple[str | None, ...]
    details: tuple[str | None, ...]
    warnings: tuple[tuple[str, ...], ...]
    pixel_aspect: PixelAspect = field(default_factory=PixelAspect)

    @cached_property
    def size(self) -> IntArray:
        """(N,) int64 pixels of each frame; 0 where not counted."""
        return _frozen(self.pixels.sum(axis=1))

    @cached_property
    def class_pixels(self) -> IntArray:
        """(N, 19) int64 pixels of each class, by train id."""
        return _frozen(self.pixels[:, LABEL_IDS_OF_CLASSES])

    @cached_property
    def present(self) -> BoolArray:
        """(N, 19) true where a class occurs in a frame."""
        return _frozen(self.class_pixels > 0)

    @cached_property
    def class_shares(self) -> FloatArray:
        """(N, 19) float64 share of the frame's pixels, 0–1; NaN where not counted."""
        return _frozen(self.class_pixels / self._divisor[:, np.newaxis])

    @cached_property
    def ignored_share(self) -> FloatArray:
        """(N,) float64 share of the frame's pixels that is 255, 0–1; NaN where not counted."""
        return _frozen(self.pixels[:, IGNORED_LABEL_IDS].sum(axis=1) / self._divisor)

    @cached_property
    def unseen(self) -> BoolArray:
        """(N,) true for frames that no finished conversion has converted or skipped."""
        skipped = np.array([reason is not None for reason in self.reasons], np.bool_)
        return _frozen(~self.converted & ~skipped)

    @cached_property
    def _divisor(self) -> FloatArray:
        return np.where(self.counted, self.size, np.nan)

    def frequencies(self, split: str | None = None) -> Frequencies:
        """Count the labels in the counted frames of `split`, or of all splits.

        Over all splits, frames of test without a class are left out: they are blank on purpose.
        """
        if split is None:
            in_test = np.array([frame.split == "test" for frame in self.frames], np.bool_)
            chosen = self.counted & ~(in_test & ~self.present.any(axis=1))
        else:
            chosen = self.counted & np.array([split == f.split for f in self.frames], np.bool_)
        pixels = self.pixels[chosen]
        return Frequencies(len(pixels), pixels.sum(axis=0), np.count_nonzero(pixels, axis=0))


@pausing_collection()
def load_catalogue(frames: Sequence[Frame], masks: Path, root: Path | None = None) -> Catalogue:
    """Build the catalogue of `frames`, all those of a dataset, from its folder of `masks`.

    `root` is the dataset's folder, in which a shape of the pixels that no report holds is proven.

    Before the first conversion nothing is counted, which is no error. Raises DatasetError if a
    file that `convert` has written is damaged or cannot be read.
    """
    names = [frame.name for frame in frames]
    pixels, has_row = read_pixels(masks, names)
    report = Report.load(masks) or Report([])
    outcomes = {outcome.frame: outcome for outcome in report.outcomes if outcome.reason}
    warnings = {outcome.frame: outcome.warnings for outcome in report.outcomes if outcome.warnings}
    with_mask = _names_with_mask(masks)
    converted = np.array([name in with_mask for name in names], np.bool_)
    pixels[~converted] = 0
    skipped = [None if name in with_mask else outcomes.get(name) for name in names]
    return Catalogue(
        frames,
        _frozen(pixels),
        _frozen(has_row & converted),
        _frozen(converted),
        tuple(outcome.reason if outcome else None for outcome in skipped),
        tuple(outcome.detail if outcome else None for outcome in skipped),
        tuple(warnings.get(name, ()) if name in with_mask else () for name in names),
        report.pixel_aspect or prove_pixel_aspect(root or masks.parent, frames),
    )


def _names_with_mask(masks: Path) -> set[str]:
    """Names of the frames with a mask below `masks`, from one folder listing for each city."""
    names: set[str] = set()
    try:
        for split in SPLITS:
            for city in _entries(masks / split):
                prefix = f"{split}/{city.name}/"
                for entry in _entries(city.path):
                    if entry.name.endswith(MASK_SUFFIX) and not entry.name.startswith("."):
                        names.add(prefix + entry.name.removesuffix(MASK_SUFFIX))
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    return names


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _frozen(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    array.flags.writeable = False
    return array
