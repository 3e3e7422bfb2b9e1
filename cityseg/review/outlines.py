"""The outlines of the regions of a label map, which draw exactly that map again."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, IntArray, Uint8Array
from cityseg.labels import INSTANCES_PER_LABEL, LABEL_OF_ID

#: Steps right, down, left, up along the edges of pixels, the region on the right-hand side.
_STEPS: Final = ((0, 1), (1, 0), (0, -1), (-1, 0))


class _Outlined(NamedTuple):
    name: str
    area: int
    outline: IntArray


def polygons_of(
    label_ids: Uint8Array, instance_ids: npt.NDArray[np.uint16] | None = None
) -> dict[str, Any]:
    """The content of a `*_polygons.json` file that draws (H, W) label ids.

    The largest outline comes first: what lies in a hole of another is drawn over it. Each instance
    has an outline of its own; beside instances, objects without one are groups.
    """
    height, width = label_ids.shape
    found = sorted(_outlined(label_ids, instance_ids), key=lambda each: -each.area)
    return {
        "imgHeight": height,
        "imgWidth": width,
        "objects": [{"label": each.name, "polygon": each.outline.tolist()} for each in found],
    }


def _outlined(
    label_ids: Uint8Array, instance_ids: npt.NDArray[np.uint16] | None
) -> Iterator[_Outlined]:
    keys = label_ids.astype(np.uint32) << 16
    if instance_ids is not None:
        keys |= instance_ids
    values, numbers = np.unique(keys, return_inverse=True)
    numbers = numbers.reshape(keys.shape)
    for position, key in enumerate(values.tolist()):
        label, instance_id = LABEL_OF_ID[key >> 16], key & 0xFFFF
        is_one = instance_ids is None or instance_id >= INSTANCES_PER_LABEL
        name = label.name if is_one or not label.has_instances else f"{label.name}group"
        mask = (numbers == position).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for part in range(1, count):
            left, top, width, height = stats[part, :4].tolist()
            box = parts[top : top + height, left : left + width]
            filled = _filled(np.asarray(box == part))
            yield _Outlined(name, int(filled.sum()), np.add(_outline(filled), (left, top)))


def _filled(mask: BoolArray) -> BoolArray:
    """A (H, W) mask without its holes."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, parts = cv2.connectedComponents(outside, connectivity=8)
    return np.asarray(mask | (parts[1:-1, 1:-1] != parts[0, 0]))


def _outline(mask: BoolArray) -> IntArray:
    """(N, 2) int64 corners x, y of a region without holes whose pixels are joined by edges.

    By the rule of `data.polygons.rasterise`, a polygon has its right edge and lacks its lowest row:
    so edges on the right lie on the last pixel, those at the bottom below it.
    """
    padded = np.pad(mask, 1)
    start = (0, int(mask[0].argmax()))
    corners: list[tuple[int, int]] = []
    (row, column), heading = start, 0
    while True:
        down, across = _STEPS[heading]
        row, column = row + down, column + across
        turned = _turned(padded, row, column, heading)
        if turned != heading:
            # Edges that go down have the region on their left, and its last pixel before them.
            is_right = 1 in (heading, turned)
            corners.append((column - is_right, row))
        heading = turned
        if (row, column) == start and heading == 0:
            break
    return np.array(corners, np.int64)


def _turned(padded: BoolArray, row: int, column: int, heading: int) -> int:
    """Where the edge continues at the corner above and left of pixel `row`, `column`.

    Pixels that meet at a corner only are not joined.
    """
    above, below = (row, row + 1)  # of the padded mask
    before, after = (column, column + 1)
    # Clockwise from the pixel below and after the corner: ahead on the right, and then on the left.
    corners = [(below, after), (below, before), (above, before), (above, after)]
    if not padded[corners[heading]]:
        return (heading + 1) % 4
    if padded[corners[heading - 1]]:
        return (heading - 1) % 4
    return heading
