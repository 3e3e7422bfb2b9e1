"""The regions of a prediction and of its ground truth: what each is, and what it meets there."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import IntArray, Uint8Array
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.boundaries import boundary_band
from cityseg.metrics.components import Components, Overlaps

#: The two maps whose regions are described.
SIDES: Final = ("truth", "prediction")
#: Shares of a region's pixels whose confidence is at most `confidence_10` and so on.
QUANTILES: Final = (10, 50, 90)
_BINS: Final = 64  # of the confidence, for its quantiles
_LEVELS: Final = 255.0

Columns = dict[str, npt.NDArray[Any]]


class Uncertainty(NamedTuple):
    """How sure a network was of each pixel, three (H, W) uint8 maps of 0–1 in 255 steps.

    `confidence` is the probability of the predicted class, `margin` its distance to that of the
    second class, `entropy` that of all classes divided by the largest possible.
    """

    confidence: Uint8Array
    margin: Uint8Array
    entropy: Uint8Array


def region_columns(
    both: Overlaps, uncertainty: Uncertainty, errors: Sequence[IntArray]
) -> dict[str, Columns]:
    """Describe the connected components of two (H, W) uint8 maps of train ids, by side.

    `errors` are their `region_errors`. Pixels that the truth ignores belong to no region. For each
    of SIDES, arrays of one entry a region, in the order of the first pixels:

    - `train_id` uint8, `top left bottom right` int32 (the last two exclusive), `pixels` int64;
    - `contour_share`: the share of its pixels that touch another region;
    - `boundary_errors` int64: its wrong pixels near a contour; `other_errors` int64: the others,
      which are extent errors if `iou` is above 0, else segment errors;
    - the means of the uncertainty: `confidence margin entropy`, and `confidence_10`, `_50`, `_90`;
    - `other`: the most frequent train id there in the other map (255: predicted as ignored), and
      `other_share`, its share of the pixels;
    - `iou`: that with the region of the same class in the other map which it matches best.
    """
    sums = {name: both.sums(levels) for name, levels in uncertainty._asdict().items()}
    levels = _levels(both, uncertainty.confidence)
    best = _best_ious(both)
    return {
        name: {
            **_shapes(both, side),
            "boundary_errors": errors[side][1:, 0],
            "other_errors": errors[side][1:, 1],
            **{
                key: _share(
                    np.bincount(both.ids[side], each, len(own.pixels)) / _LEVELS, own.pixels
                )
                for key, each in sums.items()
            },
            **_quantiles(own, both.ids[side], *levels),
            **_other_side(both, side),
            "iou": best[side],
        }
        for side, (name, own) in enumerate(zip(SIDES, both.components, strict=True))
    }


def _shapes(both: Overlaps, side: int) -> Columns:
    own = both.components[side]
    top, left, bottom, right = own.boxes[1:].astype(np.int32).T
    at_contour = both.sums(boundary_band(both.maps[side], 1))
    return {
        "train_id": own.values[1:],
        "top": top,
        "left": left,
        "bottom": bottom,
        "right": right,
        "pixels": own.pixels[1:],
        "contour_share": _share(
            np.bincount(both.ids[side], at_contour, len(own.pixels)), own.pixels
        ),
    }


def _levels(both: Overlaps, confidence: Uint8Array) -> tuple[IntArray, IntArray, IntArray]:
    """The overlaps cut where the bin of the confidence changes: (L,) overlap, bin and pixels."""
    bins = confidence.reshape(-1) // np.uint8(256 // _BINS)
    begins = np.ones(bins.size, bool)
    np.not_equal(bins[1:], bins[:-1], out=begins[1:])
    is_overlap = np.zeros(bins.size, bool)
    is_overlap[both.starts] = True
    starts = np.flatnonzero(begins | is_overlap)
    overlap = np.cumsum(is_overlap[starts]) - 1
    return overlap, bins[starts].astype(np.int64), np.diff(starts, append=bins.size)


def _quantiles(
    own: Components,
    ids: npt.NDArray[np.int32],
    overlap: IntArray,
    bins: IntArray,
    pixels: IntArray,
) -> Columns:
    count = len(own.pixels)
    cells = np.bincount(ids[overlap] * np.int64(_BINS) + bins, pixels, count * _BINS)
    reached = cells.reshape(count, _BINS)[1:].cumsum(axis=1)
    columns = {}
    for percent in QUANTILES:
        first = (reached >= own.pixels[1:, None] * (percent / 100)).argmax(axis=1)
        columns[f"confidence_{percent}"] = ((first + 0.5) / _BINS).astype(np.float32)
    return columns


def _other_side(both: Overlaps, side: int) -> Columns:
    own, other = both.components[side], both.components[1 - side]
    values = np.minimum(other.values[both.ids[1 - side]], NUM_CLASSES)
    size = NUM_CLASSES + 1
    cells = np.bincount(
        both.ids[side] * np.int64(size) + values, both.lengths, len(own.pixels) * size
    ).reshape(-1, size)
    most = cells[1:].argmax(axis=1)
    return {
        "other": np.where(most == NUM_CLASSES, IGNORE, most).astype(np.uint8),
        "other_share": _share(cells.max(axis=1), own.pixels),
    }


def _best_ious(both: Overlaps) -> list[npt.NDArray[np.float32]]:
    """The largest IoU of each region with one of its class, for both sides."""
    first, second = both.components
    same = (first.values[both.ids[0]] == second.values[both.ids[1]]) & (both.ids[0] > 0)
    pairs = both.ids[0][same] * np.int64(len(second.pixels)) + both.ids[1][same]
    found, place = np.unique(pairs, return_inverse=True)
    shared = np.bincount(place, both.lengths[same], found.size)
    regions = np.divmod(found, len(second.pixels))
    iou = shared / (first.pixels[regions[0]] + second.pixels[regions[1]] - shared)
    best = [np.zeros(len(own.pixels)) for own in both.components]
    for side in (0, 1):
        np.maximum.at(best[side], regions[side], iou)
    return [each[1:].astype(np.float32) for each in best]


def _share(parts: npt.NDArray[Any], pixels: IntArray) -> npt.NDArray[np.float32]:
    return np.asarray(parts[1:] / pixels[1:], np.float32)
