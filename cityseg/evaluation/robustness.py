"""The evidence of frames that were made worse, beside that of the same frames as they are."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

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


def robustness_of(
    clean: Evidence, corrupted: Mapping[Corruption, Evidence], frames: IntArray | None = None
) -> Robustness:
    """Compare evidence over the frames that all have, or those at the indices `frames` of `clean`.

    Raises ScoreError if the evidence is not of the same frames, weights and options, or none is
    left.
    """
    for each in corrupted.values():
        if each.about.clean_key != clean.about.key:
            raise ScoreError(
                f"The evidence in {each.folder} is of other frames, weights or options than that "
                f"in {clean.folder}: collect both with the same options"
            )
    wanted = np.arange(len(clean.store.names)) if frames is None else frames
    names = set(np.array(clean.store.names, object)[wanted])
    for each in corrupted.values():
        names &= set(each.store.names)  # one that could be read then may be gone now
    if not names:
        raise ScoreError("The evidence has no frame in common: collect it again")
    sums = {corruption: _sum(each, names) for corruption, each in corrupted.items()}
    return robustness(_sum(clean, names), sums)


def _sum(evidence: Evidence, names: set[str]) -> IntArray:
    chosen = [name in names for name in evidence.store.names]
    return np.asarray(evidence.class_confusions[chosen].sum(axis=0))
