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

from typing import Final

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.components import Overlaps, find_overlaps
from cityseg.metrics.scores import ratio

ERROR_KINDS: Final = ("boundary", "extent", "segment")
#: How far a boundary error lies from right pixels, as a share of the diagonal.
NEAR_SHARE: Final = 0.01

_Bits = npt.NDArray[np.int32]

#: Elements of a block that the cache of a core holds several times.
_BLOCK: Final = 1 << 16
_BIT_OF_CLASS: Final = np.zeros(256, np.int32)
_BIT_OF_CLASS[:NUM_CLASSES] = 1 << np.arange(NUM_CLASSES)


def error_counts(
    truth: Uint8Array, predicted: Uint8Array, distance: int, overlaps: Overlaps | None = None
) -> IntArray:
    """Wrong pixels of each class in two (H, W) uint8 maps of train ids, by kind.

    `overlaps` are those of both maps, where they were found already. Returns (19, 2, 3) int64:
    [class, missed or invented, one of ERROR_KINDS]. A missed pixel has the class in the truth only,
    an invented one in the prediction only.
    """
    both = overlaps or find_overlaps(truth, predicted)
    values = [own.values[ids] for own, ids in zip(both.components, both.ids, strict=True)]
    is_wrong = values[0] != values[1]
    lengths = both.lengths[is_wrong]
    bits = _near_right(both.maps[0], both.maps[1], distance)[both.maps[0] != both.maps[1]]
    counts = np.zeros((NUM_CLASSES, 2, len(ERROR_KINDS)), np.int64)
    for side, own in enumerate(both.components):
        found = np.zeros(len(own.pixels), bool)
        found[both.ids[side][~is_wrong]] = True
        classes = values[side][is_wrong]
        at_boundary = _sums(bits & np.repeat(_BIT_OF_CLASS[classes], lengths) != 0, lengths)
        kinds = np.zeros((len(ERROR_KINDS), lengths.size), np.int64)
        kinds[0] = at_boundary
        kinds[np.where(found[both.ids[side][is_wrong]], 1, 2), np.arange(lengths.size)] = (
            lengths - at_boundary
        )
        for kind, pixels in enumerate(kinds):
            counts[:, side, kind] = np.bincount(classes, pixels, 256)[:NUM_CLASSES]
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


def _near_right(truth: Uint8Array, predicted: Uint8Array, distance: int) -> _Bits:
    """(H, W) int32: bit c is set where right pixels of c and of its background are both near.

    Both maps have the same ignored pixels. First along the rows, then along the columns, in blocks.
    """
    height, width = truth.shape
    reached = np.zeros((2, height + 2 * distance, width), np.int32)
    step = max(1, _BLOCK // (width + 2 * distance))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        for bits, target in zip(_right(truth[rows], predicted[rows]), reached, strict=True):
            margins = ((0, 0), (distance, distance))
            along_rows = _any_in_window(np.pad(bits, margins).T, distance, width)
            target[distance:-distance][rows] = along_rows.T
    near = np.empty((height, width), np.int32)
    step = max(1, _BLOCK // (height + 2 * distance))
    for left in range(0, width, step):
        columns = slice(left, left + step)
        of_class, of_background = (
            _any_in_window(part[:, columns], distance, height) for part in reached
        )
        np.bitwise_and(of_class, of_background, out=near[:, columns])
    return near


def _right(truth: Uint8Array, predicted: Uint8Array) -> tuple[_Bits, _Bits]:
    """Bit c: whether a pixel is right as c, and whether it is right as background of c."""
    of_truth, of_prediction = _BIT_OF_CLASS[truth], _BIT_OF_CLASS[predicted]
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
