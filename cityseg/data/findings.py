"""What is odd about annotations that were accepted: warnings, each with a code."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from cityseg.arrays import BoolArray, IntArray, Uint8Array
from cityseg.data.pixel_table import PixelRow
from cityseg.data.report import Report
from cityseg.data.street_model import part_of
from cityseg.labels import LABEL_IDS_OF_CLASSES, LABEL_OF_NAME

#: Warning code -> what it means; a frame with a mask may have some.
WARNINGS: Final = {
    "no_class": "No pixel of the annotation belongs to a class, so nothing is learned from it",
    "odd_places": "Classes lie at impossible places, such as road above sky: check the encoding",
    "void_share": "The share of unlabeled pixels is far from that of the other frames",
}

_UNLABELED, _ROAD, _SKY = (LABEL_OF_NAME[name].id for name in ("unlabeled", "road", "sky"))
#: Shares and rows, 0 top, 1 bottom; no genuine map was beyond these limits.
_NOTABLE: Final = 0.02
_TOO_HIGH: Final = 0.3
_TOO_LOW: Final = 0.7
#: A share is far from the median if it differs by more than this and by six deviations: no frame of
#: Cityscapes' training split is. In train ids, which keep no label ground, one in 270 is.
_FAR: Final = 0.4
_DEVIATIONS: Final = 6 * 1.4826
_FEW_FRAMES: Final = 10


#: Of a frame whose mask was kept without decoding its annotation.
WARNED_BEFORE: Final = ("as before",)


def warnings_of(label_ids: Uint8Array) -> tuple[str, ...]:
    """The warnings that one annotation has by itself."""
    return ("odd_places",) if has_odd_places(label_ids) else ()


def complete_warnings(
    report: Report, rows: Mapping[str, PixelRow | None], before: Report | None
) -> None:
    """Complete the warnings of the converted frames, first their own, then those that need all.

    `rows` has the pixels of each frame, `before` the warnings of frames whose masks were kept.
    """
    complete_own_warnings(report, rows, before)
    add_void_shares(report, rows)


def complete_own_warnings(
    report: Report, rows: Mapping[str, PixelRow | None], before: Report | None
) -> None:
    """Complete the warnings that each converted frame has by itself; see `complete_warnings`."""
    outcomes = before.outcomes if before else []
    odd_before = {outcome.frame for outcome in outcomes if "odd_places" in outcome.warnings}
    for index, outcome in enumerate(report.outcomes):
        if outcome.status != "converted":
            continue
        name, warnings = outcome.frame, list(outcome.warnings)
        if outcome.warnings == WARNED_BEFORE:
            warnings = ["odd_places"] if name in odd_before else []
        if not name.startswith("test/") and not _shows_classes(rows[name]):
            warnings.append("no_class")
        report.outcomes[index] = replace(outcome, warnings=tuple(warnings))


def add_void_shares(report: Report, rows: Mapping[str, PixelRow | None]) -> None:
    """Add the warning of frames whose share of unlabeled pixels is far from that of the others."""
    far = odd_void_shares(
        {
            name: row.pixels
            for name, row in rows.items()
            if row and not name.startswith("test/") and _shows_classes(row)
        }
    )
    for index, outcome in enumerate(report.outcomes):
        if outcome.status == "converted" and outcome.frame in far:
            warnings = (*outcome.warnings, "void_share")
            report.outcomes[index] = replace(outcome, warnings=warnings)


def _shows_classes(row: PixelRow | None) -> bool:
    return row is not None and not has_no_class(row.pixels)


def has_odd_places(label_ids: Uint8Array) -> bool:
    """Whether road lies high or sky low in (H, W) uint8 label ids, or road above sky."""
    part = part_of(label_ids)
    road, sky = _mean_row(part == _ROAD), _mean_row(part == _SKY)
    # Without one of them its row is NaN, with which each comparison is false.
    return road < _TOO_HIGH or sky > _TOO_LOW or road < sky


def _mean_row(mask: BoolArray) -> float:
    """The mean row of what is set, 0–1; NaN if that is little."""
    pixels = np.count_nonzero(mask, axis=1)
    total = int(pixels.sum())
    if total <= _NOTABLE * mask.size:
        return np.nan
    return float(pixels @ (np.arange(len(pixels)) + 0.5)) / total / len(pixels)


def has_no_class(pixels: IntArray) -> bool:
    """Whether none of the (34,) pixels by label id belongs to a class."""
    return not pixels[LABEL_IDS_OF_CLASSES].any()


def odd_void_shares(pixels_of_frames: Mapping[str, IntArray]) -> set[str]:
    """The frames whose share of unlabeled pixels is far from the median of all these frames.

    Each frame has its (34,) pixels by label id. Fewer than ten frames say nothing. Other labels
    outside the classes are no oddity: a pedestrian area is mostly "ground".
    """
    if len(pixels_of_frames) < _FEW_FRAMES:
        return set()
    pixels = np.array(list(pixels_of_frames.values()), np.int64)
    shares = pixels[:, _UNLABELED] / pixels.sum(axis=1)
    away = np.abs(shares - np.median(shares))
    far = away > max(_FAR, _DEVIATIONS * float(np.median(away)))
    return {name for name, is_far in zip(pixels_of_frames, far.tolist(), strict=True) if is_far}
