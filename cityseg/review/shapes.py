"""The regions of a label map as an audit sees them: what they touch, and whether they are thin."""

from dataclasses import dataclass

import cv2
import numpy as np

from cityseg.arrays import BoolArray, IntArray, Uint8Array
from cityseg.labels import NUM_LABEL_IDS
from cityseg.metrics import Components, connected_components


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """The N regions of a (H, W) map of label ids.

    `components` numbers them from 1, and so do the rows of the other arrays, whose row 0 means
    nothing. `contacts` (N + 1, 34) int64 counts edges to pixels of each label; `at_border` (N + 1,)
    is whether the region touches the border of the picture; `is_thin` (N + 1,) whether no square of
    3×3 pixels fits into it.
    """

    components: Components
    contacts: IntArray
    at_border: BoolArray
    is_thin: BoolArray

    @property
    def surrounding(self) -> IntArray:
        """(N + 1,) the label that a region touches most."""
        return np.asarray(self.contacts.argmax(axis=1))

    @property
    def is_enclosed(self) -> BoolArray:
        """(N + 1,) whether a region touches one label only, and no border."""
        is_one = np.count_nonzero(self.contacts, axis=1) == 1
        return np.asarray(is_one & ~self.at_border)


def shapes_of(label_ids: Uint8Array) -> Shapes:
    """Find the regions of a (H, W) uint8 map of label ids, 0–33."""
    components = connected_components(label_ids)
    ids, values = components.ids, components.values
    count = len(values)
    contacts = np.zeros(count * NUM_LABEL_IDS, np.int64)
    for one, other in ((ids[:, 1:], ids[:, :-1]), (ids[1:], ids[:-1])):
        differ = one != other
        first, second = one[differ].astype(np.int64), other[differ].astype(np.int64)
        for own, met in ((first, second), (second, first)):
            pairs = own * NUM_LABEL_IDS + values[met]
            contacts += np.bincount(pairs, minlength=count * NUM_LABEL_IDS)
    height, width = label_ids.shape
    top, left, bottom, right = components.boxes.T
    at_border = (top == 0) | (left == 0) | (bottom == height) | (right == width)
    return Shapes(
        components, contacts.reshape(count, NUM_LABEL_IDS), at_border, _is_thin(components)
    )


def _is_thin(components: Components) -> BoolArray:
    """(N + 1,): outside of the picture counts as outside of the region."""
    ids = components.ids.astype(np.float32)  # exact up to 2²⁴ regions
    square = np.ones((3, 3), np.uint8)
    has_square = np.asarray(cv2.erode(ids, square) == cv2.dilate(ids, square))
    has_square[[0, -1]] = False
    has_square[:, [0, -1]] = False
    thick = np.bincount(components.ids[has_square], minlength=len(components.values))
    return np.asarray(thick == 0)
