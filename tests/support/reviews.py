"""A dataset to review, and verdicts on regions of its frames with the digests of annotations."""

from pathlib import Path
from typing import Any

import city
import numpy as np

from cityseg.arrays import BoolArray
from cityseg.data import Frame, find_frames
from cityseg.review import (
    Region,
    Verdict,
    VerdictCode,
    VerdictRow,
    annotation_digest,
    append,
    existing_ledger,
    verdict_rows,
)

STEM = "aachen_000000_000019"
NAME = f"train/aachen/{STEM}"


def write_two_splits(root: Path) -> Path:
    """The frame NAME of 128×256 pixels, and one of the same stem in val."""
    for split in ("train", "val"):
        city.write_frame(root, STEM, split)
    return root


def at_row(row: int) -> BoolArray:
    """The mask of six pixels in a row of these frames."""
    mask = np.zeros((128, 256), np.bool_)
    mask[row, 3:9] = True
    return mask


def rows_of(ledger: Path, data: Path) -> list[VerdictRow]:
    frames = {frame.name: frame for frame in find_frames(data)}
    return verdict_rows(existing_ledger(ledger).verdicts().values(), frames)


def frame_named(data: Path, name: str) -> Frame:
    return next(frame for frame in find_frames(data) if frame.name == name)


def verdict_on(
    frame: Frame, mask: BoolArray, code: VerdictCode = "wrong_label", **more: Any
) -> Verdict:
    """A verdict on the pixels of a (H, W) mask."""
    return Verdict(
        reviewer="Ada",
        frame=frame.name,
        annotation=annotation_digest(frame),
        region=Region.of(mask),
        verdict=code,
        **{"truth": "road", "predicted": "car"} | more,
    )


def flag(ledger: Path, frame: Frame, mask: BoolArray) -> Path:
    """Say in a ledger that the labels of a (H, W) mask are wrong."""
    append(ledger, [verdict_on(frame, mask)])
    return ledger
