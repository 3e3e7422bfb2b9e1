"""Why a class has no IoU of 1: its wrong pixels by kind, for all classes at once.

1 − IoU of a class = (boundary + extent + segment errors) / union, where a wrong pixel is

- a *boundary* error if a right pixel of the class and a right pixel of the background lie near it:
  the contour is a little off;
- a *segment* error if the region that it belongs to has no right pixel at all: a whole object was
  missed (a region of the truth) or invented (a region of the prediction);
- an *extent* error otherwise: the object was found, but too small or too large.

Source: Bernhard et al., *What's Outside the Intersection? Fine-grained Error Analysis for Semantic
Segmentation Beyond IoU*, WACV 2024. "Near" is a square of 1 % of the diagonal around the pixel.
Unlike there, pixels that the truth ignores take no part.
"""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.components import Overlaps
from cityseg.metrics.scores import ratio

ERROR_KINDS: Final = ("boundary", "extent", "segment")
#: How far a boundary error lies from right pixels, as a share of the diagonal.
NEAR_SHARE: Final = 0.01

#: A bit for each class: uint16 or int32.
_Bits = npt.NDArray[Any]

#: Bytes of a block that the cache of a core holds several times.
_BLOCK: Final = 1 << 18


def region_errors(both: Overlaps, distance: int) -> Sequence[IntArray]:
    """The wrong pixels of each region of the truth and of the prediction.

    Two (N + 1, 2) int64 by the number of the component: boundary errors, and the others, which are
    extent errors where the region has a right pixel and else segment errors.
    """
    bit_of_class = _bits_of_classes(both)
    values = [own.values[ids] for own, ids in zip(both.components, both.ids, strict=True)]
    is_wrong = values[0] != values[1]
    lengths = both.lengths[is_wrong]
    truth, predicted = both.maps
    near = _near_right(truth, predicted, bit_of_class, distance)[truth != predicted]
    found = []
    for side, own in enumerate(both.components):
        bits = np.repeat(bit_of_class[values[side][is_wrong]], lengths)
        at_boundary = _sums(near & bits != 0, lengths)
        ids, count = both.ids[side][is_wrong], len(own.pixels)
        parts = [np.bincount(ids, each, count) for each in (at_boundary, lengths - at_boundary)]
        errors = np.stack(parts, axis=1).astype(np.int64)
        errors[0] = 0  # pixels that were predicted as ignored are in no region of the prediction
        found.append(errors)
    return found


def error_counts(both: Overlaps, errors: Sequence[IntArray]) -> IntArray:
    """Wrong pixels of each class by kind, from those of the `region_errors`.

    Returns (19, 2, 3) int64: [class, missed or invented, one of ERROR_KINDS]. A missed pixel has
    the class in the truth only, an invented one in the prediction only.
    """
    counts = np.zeros((NUM_CLASSES, 2, len(ERROR_KINDS)), np.int64)
    for side, (own, wrong) in enumerate(zip(both.components, errors, strict=True)):
        at_boundary, others = wrong.T
        is_found = own.pixels > wrong.sum(axis=1)
        kinds = at_boundary, others * is_found, others * ~is_found
        for kind, pixels in enumerate(kinds):
            counts[:, side, kind] = np.bincount(own.values, pixels, 256)[:NUM_CLASSES]
    return counts


def error_shares(confusion: IntArray, errors: IntArray) -> FloatArray:
    """(19, 3): 1 − IoU of each class by kind, from its (19, 20) confusion and `error_counts`.

    NaN where the class is neither in the truth nor predicted.
    """
    hits = confusion.diagonal()
    union = confusion.sum(axis=1) + confusion[:, :NUM_CLASSES].sum(axis=0) - hits
    parts = errors.sum(axis=1)
    return ratio(parts, np.broadcast_to(union[:, None], parts.shape))


def _sums(values: BoolArray, lengths: IntArray) -> IntArray:
    """(K,) int64: the sums over consecutive parts of these `lengths`."""
    total = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return np.asarray(np.diff(total[np.concatenate([[0], lengths.cumsum()])]))


def _bits_of_classes(both: Overlaps) -> _Bits:
    """(256,): a bit for each class in the maps, in the smallest type; 0 for others and IGNORE."""
    present = np.unique(np.concatenate([own.values[1:] for own in both.components]))
    bits = np.zeros(256, np.uint16 if present.size <= 16 else np.int32)
    bits[present] = 1 << np.arange(present.size)
    return bits


def _near_right(
    truth: Uint8Array, predicted: Uint8Array, bit_of_class: _Bits, distance: int
) -> _Bits:
    """(H, W): the bit of c is set where right pixels of c and of its background are both near.

    First along the rows, then along the columns, in blocks.
    """
    height, width = truth.shape
    reached = np.zeros((2, height + 2 * distance, width), bit_of_class.dtype)
    block = _BLOCK // bit_of_class.itemsize
    step = max(1, block // (width + 2 * distance))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        right = _right(truth[rows], predicted[rows], bit_of_class)
        for bits, target in zip(right, reached, strict=True):
            margins = ((0, 0), (distance, distance))
            along_rows = _any_in_window(np.pad(bits, margins).T, distance, width)
            target[distance:-distance][rows] = along_rows.T
    near = np.empty((height, width), bit_of_class.dtype)
    step = max(1, block // (height + 2 * distance))
    for left in range(0, width, step):
        columns = slice(left, left + step)
        of_class, of_background = (
            _any_in_window(part[:, columns], distance, height) for part in reached
        )
        np.bitwise_and(of_class, of_background, out=near[:, columns])
    return near


def _right(truth: Uint8Array, predicted: Uint8Array, bit_of_class: _Bits) -> tuple[_Bits, _Bits]:
    """Bit c: whether a pixel is right as c, and whether it is right as background of c."""
    of_truth: _Bits = cv2.LUT(truth, bit_of_class)
    of_prediction: _Bits = cv2.LUT(predicted, bit_of_class)
    # Right for a class is also a pixel that is another class in both maps, whichever.
    of_background = ~(of_truth | of_prediction)
    of_background[truth == IGNORE] = 0
    return of_truth & of_prediction, of_background


def _any_in_window(bits: _Bits, distance: int, size: int) -> _Bits:
    """The bits set anywhere in the windows of 2 · `distance` + 1 rows, one at each of `size`."""
    # Windows of 1, 2, 4 … values; two of the last, overlapping, make up the whole.
    window, step = 2 * distance + 1, 1
    while 2 * step <= window:
        bits = bits[:-step] | bits[step:]
        step *= 2
    rest = window - step
    return bits[:size] | bits[rest : rest + size]
