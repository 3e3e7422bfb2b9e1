"""The connected components of label maps: the regions in which labels are right or wrong."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import IntArray, Uint8Array
from cityseg.labels import IGNORE


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The components of a (H, W) map, all classes: neighbours by an edge with one value.

    `ids` (H, W) int32 is 0 where the map is IGNORE, and else the number of the component, from 1.
    By that number, with entry 0 for the ignored pixels: `values` (N + 1,) uint8, `pixels` (N + 1,)
    int64, and `boxes` (N + 1, 4) int64 of top, left, bottom, right, the last two exclusive.
    """

    ids: npt.NDArray[np.int32]
    values: Uint8Array
    pixels: IntArray
    boxes: IntArray


def connected_components(label_map: Uint8Array) -> Components:
    """Find the components of a (H, W) uint8 map, IGNORE left out."""
    height, width = label_map.shape
    valid = label_map != IGNORE
    # OpenCV knows only two values. In a map of twice the size, a pixel between two neighbours says
    # whether these belong together, which separates the classes in one pass over all of them.
    linked = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    linked[::2, ::2] = valid
    linked[::2, 1::2] = (label_map[:, 1:] == label_map[:, :-1]) & valid[:, 1:]
    linked[1::2, ::2] = (label_map[1:] == label_map[:-1]) & valid[1:]
    count, found, statistics, _ = cv2.connectedComponentsWithStats(linked, connectivity=4)
    ids = np.ascontiguousarray(found[::2, ::2], np.int32)
    left, top, wide, high = statistics[:, :4].astype(np.int64).T
    boxes = np.stack([top, left, top + high + 1, left + wide + 1], axis=1)
    boxes[:, :2] //= 2
    boxes[:, 2:] //= 2
    values = np.full(count, IGNORE, np.uint8)
    values[ids[valid]] = label_map[valid]
    return Components(ids, values, np.bincount(ids.ravel(), minlength=count), boxes)
