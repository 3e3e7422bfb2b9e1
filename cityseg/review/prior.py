"""What is usual in a dataset: where its labels occur, what they touch, what lies within them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.labels import LABEL_IDS_OF_CLASSES, MAP_LABELS, NUM_LABEL_IDS
from cityseg.review.shapes import Shapes, shapes_of

#: Cells of a frame, rows and columns, in which the occurrence of labels is counted.
CELLS_HW: Final = (16, 32)
#: Touches of fewer edges, as where the corners of two outlines meet, count as none.
LEAST_CONTACT: Final = 3
#: The largest share of a frame that a region within another one may have to be an island.
ISLAND_SHARE: Final = 1e-3
_ISLAND_PIXELS: Final = 16  # where frames are tiny
#: What stands on the ground may be near, and then lies low: these may not.
_HANGING: Final = ("building", "bridge", "tunnel", "traffic light", "vegetation", "sky")
#: Deviations of the smoothing in cells: the same object is left or right by chance.
_SMOOTHING_YX: Final = (0.8, 3.0)


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Counts over `frames` frames, by label id.

    `present` (34,): frames with the label; `together` (34, 34): with both; `touching` (34, 34):
    in which both touch; `islands` (34, 34): in which the first one is an island in the second;
    `cells` (34, 16, 32) float64: the share of frames with the label, of those where anything
    counts, in which it occurs in a cell, or higher for what stands on the ground, smoothed; `thin`
    (34, 2): regions of the label, and the thin ones among them.
    """

    frames: int
    present: IntArray
    together: IntArray
    touching: IntArray
    islands: IntArray
    cells: FloatArray
    thin: IntArray


def prior_of(maps: Iterable[Uint8Array]) -> Prior:
    """Count over (H, W) uint8 maps of label ids, one at a time."""
    frames, count = 0, NUM_LABEL_IDS
    present = np.zeros(count, np.int64)
    together, touching, islands = (np.zeros((count, count), np.int64) for _ in range(3))
    cells, thin = np.zeros((count, *CELLS_HW)), np.zeros((count, 2), np.int64)
    for label_ids in maps:
        shapes = shapes_of(label_ids)
        frames += 1
        in_cells = cells_of(label_ids)
        is_here = in_cells.any(axis=(1, 2))
        present += is_here
        together += np.outer(is_here, is_here)
        touching += contacts_of_labels(shapes) >= LEAST_CONTACT
        islands += islands_of_labels(shapes, label_ids.size)
        cells += in_cells
        values = shapes.components.values[1:]
        thin[:, 0] += np.bincount(values, minlength=count)
        thin[:, 1] += np.bincount(values[shapes.is_thin[1:]], minlength=count)
    return Prior(frames, present, together, touching, islands, _usual(cells, present), thin)


def _usual(cells: FloatArray, present: IntArray) -> FloatArray:
    counted = np.maximum(cells[LABEL_IDS_OF_CLASSES].max(axis=0), 1)
    seen = counted / max(counted.max(), 1)  # less where the own car mostly hides the street
    usual = cells / (np.maximum(present, 1)[:, None, None] * seen)
    down, across = _SMOOTHING_YX
    for label_id, share in enumerate(usual):
        if MAP_LABELS[label_id].name not in _HANGING:
            np.maximum.accumulate(share, axis=0, out=share)
        blurred = cv2.GaussianBlur(share, (0, 0), across, None, down, cv2.BORDER_REPLICATE)
        usual[label_id] = np.minimum(blurred, 1)
    return np.asarray(usual)


def without(prior: Prior, shapes: Shapes, label_ids: Uint8Array) -> Prior:
    """`prior` without the pairs and islands of a map that was counted in it."""
    is_here = np.bincount(label_ids.ravel(), minlength=NUM_LABEL_IDS) > 0
    touching = contacts_of_labels(shapes) >= LEAST_CONTACT
    return replace(
        prior,
        present=prior.present - is_here,
        together=prior.together - np.outer(is_here, is_here),
        touching=prior.touching - touching,
        islands=prior.islands - islands_of_labels(shapes, label_ids.size),
    )


def cells_of(label_ids: Uint8Array) -> IntArray:
    """(34, 16, 32) int64, 1 where the label has a pixel in the cell."""
    found = np.zeros((NUM_LABEL_IDS, *CELLS_HW), np.int64)
    rows, columns = cell_indices((label_ids.shape[0], label_ids.shape[1]))
    found[label_ids, rows[:, None], columns[None, :]] = 1
    return found


def cell_indices(size_hw: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """(H,) the row of cells of each row of pixels, and (W,) the same for columns."""
    height, width = size_hw
    rows = np.arange(height) * CELLS_HW[0] // height
    return rows, np.arange(width) * CELLS_HW[1] // width


def contacts_of_labels(shapes: Shapes) -> IntArray:
    """(34, 34) int64: edges between pixels of both labels."""
    edges = np.zeros((NUM_LABEL_IDS, NUM_LABEL_IDS), np.int64)
    np.add.at(edges, shapes.components.values[1:], shapes.contacts[1:])
    return edges


def island_pixels(frame_pixels: int) -> float:
    """The most pixels of an island in a frame of so many."""
    return max(_ISLAND_PIXELS, ISLAND_SHARE * frame_pixels)


def islands_of_labels(shapes: Shapes, frame_pixels: int) -> IntArray:
    """(34, 34) int64, 1 where the frame has an island of the first label in the second."""
    found = np.zeros((NUM_LABEL_IDS, NUM_LABEL_IDS), np.int64)
    small = shapes.components.pixels <= island_pixels(frame_pixels)
    islands = np.flatnonzero(shapes.is_enclosed & small)
    islands = islands[islands > 0]
    found[shapes.components.values[islands], shapes.surrounding[islands]] = 1
    return found
