"""The connected components of label maps: the regions in which labels are right or wrong.

Maps are compressed to runs, neighbours in a row with one value: a frame of Cityscapes has 20,000 of
them and two million pixels. Components are found among the runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, IntArray, Uint8Array
from cityseg.labels import IGNORE

_Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a (H, W) map, all classes: neighbours by an edge with one value.

    A component has a number from 1, in the order of the first pixels; 0 are the ignored pixels. By
    that number: `values` (N + 1,) uint8, `pixels` (N + 1,) int64, and `boxes` (N + 1, 4) int64 of
    top, left, bottom, right, the last two exclusive. `starts` (R,) int64 are the flat indices at
    which the runs of the map begin, and `run_ids` (R,) int32 their components.
    """

    size_hw: tuple[int, int]
    starts: IntArray
    run_ids: _Int32Array
    values: Uint8Array
    pixels: IntArray
    boxes: IntArray

    @cached_property
    def ids(self) -> _Int32Array:
        """(H, W) int32: the component of each pixel."""
        lengths = np.diff(self.starts, append=self.size_hw[0] * self.size_hw[1])
        return np.repeat(self.run_ids, lengths).reshape(self.size_hw)


def connected_components(label_map: Uint8Array) -> Components:
    """Find the components of a (H, W) uint8 map, IGNORE left out."""
    height, width = label_map.shape
    begins = np.ones((height, width), bool)
    np.not_equal(label_map[:, 1:], label_map[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=label_map.size)
    values = label_map.ravel()[starts]
    first = _first_of_all(len(starts), *_links(label_map, begins, starts))
    is_first = (first == np.arange(len(first))) & (values != IGNORE)
    numbers = np.zeros(len(first), np.int32)
    numbers[is_first] = np.arange(1, np.count_nonzero(is_first) + 1)
    run_ids = numbers[first]
    found = np.concatenate([[IGNORE], values[is_first]]).astype(np.uint8)
    pixels = np.bincount(run_ids, lengths, len(found)).astype(np.int64)
    boxes = _boxes(len(found), run_ids, *np.divmod(starts, width), lengths)
    return Components((height, width), starts, run_ids, found, pixels, boxes)


def _links(
    label_map: Uint8Array, begins: BoolArray, starts: IntArray
) -> tuple[_Int32Array, _Int32Array]:
    """Runs of one value that touch, one above the other: the numbers of the upper and lower ones.

    `begins` (H, W) is set at the first pixel of each run, which `starts` are the indices of.
    """
    same = label_map[1:] == label_map[:-1]
    # The first pixel at which two runs touch stands for all of them.
    touches = begins[1:] | begins[:-1]
    touches[:, 1:] |= ~same[:, :-1]
    above = np.flatnonzero(touches & same)
    upper, lower = (
        np.searchsorted(starts, places, side="right").astype(np.int32) - 1
        for places in (above, above + label_map.shape[1])
    )
    return upper, lower


def _first_of_all(count: int, first: _Int32Array, second: _Int32Array) -> _Int32Array:
    """(`count`,) int32: of each node of a graph the smallest one that it is connected to."""
    leader = np.arange(count, dtype=np.int32)
    while first.size:
        np.minimum.at(leader, np.maximum(first, second), np.minimum(first, second))
        while not (leader == (onwards := leader[leader])).all():
            leader = onwards
        first, second = leader[first], leader[second]
        apart = first != second
        first, second = first[apart], second[apart]
    return leader


def _boxes(
    count: int, run_ids: _Int32Array, rows: IntArray, columns: IntArray, lengths: IntArray
) -> IntArray:
    boxes = np.zeros((count, 4), np.int64)
    boxes[:, :2] = np.iinfo(np.int32).max
    np.minimum.at(boxes[:, 0], run_ids, rows)
    np.minimum.at(boxes[:, 1], run_ids, columns)
    np.maximum.at(boxes[:, 2], run_ids, rows + 1)
    np.maximum.at(boxes[:, 3], run_ids, columns + lengths)
    return boxes


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Two maps of one size, `maps`, and where a region of one overlaps which of the other.

    `components` are those of each map. (K,) int64 `starts` and `lengths` are the runs in which
    neither map changes, and `ids` of each map the component of each.
    """

    maps: Sequence[Uint8Array]
    components: Sequence[Components]
    starts: IntArray
    lengths: IntArray
    ids: Sequence[_Int32Array]

    def sums(self, values: npt.NDArray[np.generic]) -> IntArray:
        """(K,) int64: the sum of (H, W) uint8 or bool values over each run."""
        if not self.starts.size:
            return np.zeros(0, np.int64)
        flat = values.reshape(-1).view(np.uint8)
        # No run is longer than a row, so that its sum fits.
        return np.add.reduceat(flat, self.starts, dtype=np.uint32).astype(np.int64)


def find_overlaps(truth: Uint8Array, predicted: Uint8Array) -> Overlaps:
    """The overlaps of two (H, W) uint8 maps of train ids; what the truth ignores is left out."""
    # IGNORE has all bits set, so that a bitwise or with it is IGNORE.
    maps = (truth, predicted | -(truth == IGNORE).view(np.uint8))
    components = [connected_components(label_map) for label_map in maps]
    begins = [np.zeros(truth.size, bool) for _ in components]
    for own, each in zip(begins, components, strict=True):
        own[each.starts] = True
    starts = np.flatnonzero(begins[0] | begins[1])
    # Of each run that begins: how many of the own map's runs began until there.
    ids = [
        each.run_ids[np.cumsum(own[starts]) - 1]
        for own, each in zip(begins, components, strict=True)
    ]
    return Overlaps(maps, components, starts, np.diff(starts, append=truth.size), ids)
