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

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.components import connected_components
from cityseg.metrics.scores import ratio

ERROR_KINDS: Final = ("boundary", "extent", "segment")
#: How far a boundary error lies from right pixels, as a share of the diagonal.
NEAR_SHARE: Final = 0.01

_Bits = npt.NDArray[np.uint32]


def error_counts(truth: Uint8Array, predicted: Uint8Array, distance: int) -> IntArray:
    """Wrong pixels of each class in two (H, W) uint8 maps of train ids, by kind.

    Returns (19, 2, 3) int64: [class, missed or invented, one of ERROR_KINDS]. A missed pixel has
    the class in the truth only, an invented one in the prediction only.
    """
    predicted = np.where(truth == IGNORE, IGNORE, predicted)
    near_right = _near_right(truth, predicted, distance)
    wrong = (truth != predicted) & (truth != IGNORE)
    right = truth == predicted
    counts = np.empty((NUM_CLASSES, 2, len(ERROR_KINDS)), np.int64)
    for side, label_map in enumerate((truth, predicted)):
        pixels = wrong & (label_map != IGNORE)
        classes = label_map[pixels]
        at_boundary = (near_right[pixels] >> classes & 1).astype(bool)
        kind = np.where(at_boundary, 0, np.where(_is_found(label_map, right, pixels), 1, 2))
        cells = np.bincount(classes.astype(np.int64) * 3 + kind, minlength=NUM_CLASSES * 3)
        counts[:, side] = cells.reshape(NUM_CLASSES, 3)
    return counts


def error_shares(confusion: IntArray, errors: IntArray) -> FloatArray:
    """(19, 3): 1 − IoU of each class by kind, from its (19, 20) confusion and `error_counts`.

    NaN where the class is neither in the truth nor predicted.
    """
    hits = confusion.diagonal()
    union = confusion.sum(axis=1) + confusion[:, :NUM_CLASSES].sum(axis=0) - hits
    parts = errors.sum(axis=1)
    return ratio(parts, np.broadcast_to(union[:, None], parts.shape))


def _is_found(label_map: Uint8Array, right: BoolArray, pixels: BoolArray) -> BoolArray:
    """For each of the `pixels` of a map: whether its region has a right pixel."""
    ids = connected_components(label_map).ids
    found = np.zeros(int(ids.max()) + 1, bool)
    found[ids[right]] = True
    return found[ids[pixels]]


def _near_right(truth: Uint8Array, predicted: Uint8Array, distance: int) -> _Bits:
    """(H, W) uint32: bit c is set where right pixels of c and of its background are both near."""
    evaluated = truth != IGNORE
    bit = np.zeros(256, np.uint32)
    bit[:NUM_CLASSES] = 1 << np.arange(NUM_CLASSES, dtype=np.uint32)
    of_truth, of_prediction = bit[truth], bit[predicted]
    of_class = of_truth & of_prediction
    # Right for a class is also a pixel that is another class in both maps, whichever.
    of_background = np.where(evaluated, ~(of_truth | of_prediction), np.uint32(0))
    return _any_near(of_class, distance) & _any_near(of_background, distance)


def _any_near(bits: _Bits, distance: int) -> _Bits:
    """The bits that are set anywhere in the square of `distance` around each pixel."""
    for axis in (0, 1):
        bits = _over_windows(np.bitwise_or, bits, distance, axis)
    return bits


def _over_windows(
    combine: Callable[[_Bits, _Bits], Any], bits: _Bits, distance: int, axis: int
) -> _Bits:
    """`combine` all values of the window of 2 · `distance` + 1 around each pixel, along `axis`."""
    size, window = bits.shape[axis], 2 * distance + 1
    margins = [(0, 0), (0, 0)]
    margins[axis] = (distance, distance)
    reached = np.moveaxis(np.pad(bits, margins), axis, 0)
    # Windows of 1, 2, 4 … values; two of the last, overlapping, make up the whole.
    step = 1
    while 2 * step <= window:
        reached = combine(reached[:-step], reached[step:])
        step *= 2
    rest = window - step
    return np.moveaxis(combine(reached[:size], reached[rest : rest + size]), 0, axis)
