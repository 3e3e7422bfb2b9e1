"""Verdicts on regions of frames, with the digests of their annotations."""

from pathlib import Path
from typing import Any

from cityseg.arrays import BoolArray
from cityseg.data import Frame, find_frames
from cityseg.review import Region, Verdict, VerdictCode, annotation_digest, append


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
