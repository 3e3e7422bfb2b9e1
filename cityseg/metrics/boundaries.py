"""Boundary IoU: how well the contours of each class are met, counted for all classes at once.

The band of a class has its pixels within a distance of its contour; the boundary IoU is the IoU of
the band in the ground truth with the band in the prediction. The IoU of a large region hardly
notices a blurred contour, this one does. Source: Cheng et al., *Boundary IoU*, arXiv 2103.16562.
The paper's distance of 2 % of the diagonal makes bands that cover half a street frame; 0.5 % is the
default here.

A trimap is another thing (it counts all pixels near the contours of the ground truth), and eroding
the label map itself is wrong: differences of labels would turn up as classes.
"""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array
from cityseg.labels import NUM_CLASSES
from cityseg.metrics.components import Overlaps, find_overlaps
from cityseg.metrics.scores import ratio

#: The distance to the contour as a share of the diagonal.
BOUNDARY_SHARE: Final = 0.005
#: A value outside the picture: neither a class nor IGNORE.
_OUTSIDE: Final = 254


def boundary_distance(size_hw: Sequence[int], share: float = BOUNDARY_SHARE) -> int:
    """`share` of the diagonal of a picture in whole pixels, at least 1."""
    return max(1, round(share * math.hypot(*size_hw[:2])))


def boundary_band(train_ids: Uint8Array, distance: int) -> BoolArray:
    """(H, W) bool: pixels with a pixel of another value within the square of `distance` around.

    The border of the picture is a contour, and so is an edge against ignored pixels.
    """
    around = np.ones((2 * distance + 1,) * 2, np.uint8)
    # By default OpenCV takes what lies outside for the best value of each operation: no contour.
    edge, value = cv2.BORDER_CONSTANT, (_OUTSIDE,)
    highest = cv2.dilate(train_ids, around, borderType=edge, borderValue=value)
    lowest = cv2.erode(train_ids, around, borderType=edge, borderValue=value)
    return np.asarray((highest != train_ids) | (lowest != train_ids))


def boundary_counts(
    truth: Uint8Array, predicted: Uint8Array, distance: int, overlaps: Overlaps | None = None
) -> IntArray:
    """Pixels in the bands of each class of two (H, W) uint8 maps of train ids.

    `overlaps` are those of both maps, where they were found already. Returns (19, 3) int64: in the
    truth's band, in the prediction's band, in both. Pixels that the truth ignores belong to no
    band.
    """
    both = overlaps or find_overlaps(truth, predicted)
    bands = [boundary_band(label_map, distance) for label_map in (truth, predicted)]
    classes = [own.values[ids] for own, ids in zip(both.components, both.ids, strict=True)]
    is_same = classes[0] == classes[1]
    of_both = classes[0], both.sums(bands[0] & bands[1]) * is_same
    counted = [(classes[side], both.sums(bands[side])) for side in (0, 1)]
    counts = [np.bincount(own, pixels, 256)[:NUM_CLASSES] for own, pixels in (*counted, of_both)]
    return np.stack(counts, axis=1).astype(np.int64)


def boundary_iou(counts: IntArray) -> FloatArray:
    """(…, 19, 3) counts or sums of counts to (…, 19) boundary IoUs; NaN without a band."""
    truth, prediction, both = np.moveaxis(counts, -1, 0)
    return ratio(both, truth + prediction - both)
