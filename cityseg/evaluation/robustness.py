"""The evidence of frames that were made worse, beside that of the same frames as they are."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import IntArray
from cityseg.corruption import CORRUPTIONS, Corruption
from cityseg.errors import ConfigError, ScoreError
from cityseg.evaluation.evidence_files import Evidence, EvidenceAbout, evidence_below
from cityseg.metrics import Robustness, robustness


def corrupted_evidence(folder: Path, clean: EvidenceAbout) -> dict[Corruption, Path]:
    """The finished evidence of corruptions below `folder`, of all that `clean` is evidence of."""
    found = {
        corruption: path
        for path, about in evidence_below(folder, clean.split)
        if about.is_done and about.clean_key == clean.key
        if (corruption := _known(about.corruption))
    }
    order = list(CORRUPTIONS)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0].name), item[0])))


def _known(written: str) -> Corruption | None:
    """None for no corruption, or that of another version."""
    with suppress(ConfigError):
        return Corruption.parse(written)
    return None


class FrameConfusions(NamedTuple):
    """What is compared of evidence, which takes much less memory than all of it.

    `clean_key` says of what it is a corruption; `confusions` are (N, 19, 20) uint32.
    """

    clean_key: str
    names: list[str]
    confusions: npt.NDArray[np.uint32]

    def sum_of(self, names: set[str]) -> IntArray:
        """(19, 20) int64: the sum over these frames."""
        chosen = [name in names for name in self.names]
        return np.asarray(self.confusions[chosen].sum(axis=0, dtype=np.int64))


def frame_confusions(evidence: Evidence) -> FrameConfusions:
    """Those of all frames of some evidence."""
    confusions = evidence.class_confusions.astype(np.uint32)
    return FrameConfusions(evidence.about.clean_key, evidence.store.names, confusions)


def robustness_of(
    clean: Evidence,
    corrupted: Mapping[Corruption, FrameConfusions],
    frames: IntArray | None = None,
) -> Robustness:
    """Compare evidence over the frames that all have, or those at the indices `frames` of `clean`.

    Raises ScoreError if the evidence is not of the same frames, weights and options, or no frame is
    left.
    """
    for corruption, each in corrupted.items():
        if each.clean_key != clean.about.key:
            raise ScoreError(
                f"The evidence of {corruption} is of other frames, weights or options than that in "
                f"{clean.folder}: collect both with the same options"
            )
    own = frame_confusions(clean)
    wanted = range(len(own.names)) if frames is None else frames.tolist()
    names = {own.names[index] for index in wanted}
    for each in corrupted.values():
        names &= set(each.names)  # one that could not be read then is missing
    if not names:
        raise ScoreError("The evidence has no frame in common: collect it again")
    return robustness(
        own.sum_of(names),
        {corruption: each.sum_of(names) for corruption, each in corrupted.items()},
        clean.classes,
    )
