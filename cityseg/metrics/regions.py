"""The regions of a prediction and of its ground truth: what each is, and what it meets there."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import IntArray, Uint8Array, runs
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.boundaries import boundary_band
from cityseg.metrics.components import Components, connected_components

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
    truth: Uint8Array, predicted: Uint8Array, uncertainty: Uncertainty
) -> dict[str, Columns]:
    """Describe the connected components of two (H, W) uint8 maps of train ids, by side.

    Pixels that the truth ignores belong to no region. For each of SIDES, arrays of one entry a
    region, in the order of the first pixels:

    - `train_id` uint8, `top left bottom right` int32 (the last two exclusive), `pixels` int64;
    - `contour_share`: the share of its pixels that touch another region;
    - the means of the uncertainty: `confidence margin entropy`, and `confidence_10`, `_50`, `_90`;
    - `other`: the most frequent train id there in the other map (255: predicted as ignored), and
      `other_share`, its share of the pixels;
    - `iou`: that with the region of the same class in the other map which it matches best.
    """
    maps = [truth, np.where(truth == IGNORE, IGNORE, predicted)]
    components = [connected_components(label_map) for label_map in maps]
    return {
        side: {
            **_shapes(own, own_map),
            **_means(own, uncertainty),
            **_other_side(own, other_map),
            "iou": _best_iou(own, own_map, other, other_map),
        }
        for side, own, own_map, other, other_map in zip(
            SIDES, components, maps, components[::-1], maps[::-1], strict=True
        )
    }


def _shapes(own: Components, own_map: Uint8Array) -> Columns:
    top, left, bottom, right = own.boxes[1:].astype(np.int32).T
    at_contour = np.bincount(own.ids[boundary_band(own_map, 1)], minlength=len(own.pixels))
    return {
        "train_id": own.values[1:],
        "top": top,
        "left": left,
        "bottom": bottom,
        "right": right,
        "pixels": own.pixels[1:],
        "contour_share": _share(at_contour, own.pixels),
    }


def _means(own: Components, uncertainty: Uncertainty) -> Columns:
    ids, count = own.ids.ravel(), len(own.pixels)
    columns = {
        name: _share(np.bincount(ids, levels.ravel(), count) / _LEVELS, own.pixels)
        for name, levels in uncertainty._asdict().items()
    }
    bins = uncertainty.confidence.ravel() // (256 // _BINS)
    histogram = np.bincount(ids * np.int64(_BINS) + bins, minlength=count * _BINS)
    reached = histogram.reshape(count, _BINS)[1:].cumsum(axis=1)
    for percent in QUANTILES:
        first = (reached >= own.pixels[1:, None] * (percent / 100)).argmax(axis=1)
        columns[f"confidence_{percent}"] = ((first + 0.5) / _BINS).astype(np.float32)
    return columns


def _other_side(own: Components, other_map: Uint8Array) -> Columns:
    values = np.minimum(other_map, NUM_CLASSES).ravel()
    size = NUM_CLASSES + 1
    cells = np.bincount(
        own.ids.ravel() * np.int64(size) + values, minlength=len(own.pixels) * size
    ).reshape(-1, size)
    most = cells[1:].argmax(axis=1)
    return {
        "other": np.where(most == NUM_CLASSES, IGNORE, most).astype(np.uint8),
        "other_share": _share(cells.max(axis=1), own.pixels),
    }


def _best_iou(
    own: Components, own_map: Uint8Array, other: Components, other_map: Uint8Array
) -> npt.NDArray[np.float32]:
    (own_ids, other_ids, own_values, other_values), lengths = runs(
        own.ids, other.ids, own_map, other_map
    )
    same = (own_values == other_values) & (own_values != IGNORE)
    pairs = own_ids[same].astype(np.int64) * len(other.pixels) + other_ids[same]
    found, place = np.unique(pairs, return_inverse=True)
    both = np.bincount(place, None if lengths is None else lengths[same], found.size)
    first, second = np.divmod(found, len(other.pixels))
    best = np.zeros(len(own.pixels))
    np.maximum.at(best, first, both / (own.pixels[first] + other.pixels[second] - both))
    return best[1:].astype(np.float32)


def _share(parts: npt.NDArray[Any], pixels: IntArray) -> npt.NDArray[np.float32]:
    return np.asarray(parts[1:] / pixels[1:], np.float32)
