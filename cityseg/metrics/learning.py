"""When a network learned each pixel: from its predictions for the same frame after many epochs."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.scores import ratio


class Learning(NamedTuple):
    """How the pixels of a (H, W) truth were learned over E predictions.

    `learned` (H, W) int64 is the position of the first prediction from which on all are right: 0 to
    E - 1, and E where the last is wrong. `forgotten` (H, W) int64 counts the right predictions that
    a wrong one follows. Both are -1 where the truth is ignored.
    """

    learned: IntArray
    forgotten: IntArray


def follow_learning(predictions: Iterable[Uint8Array], truth: Uint8Array) -> Learning:
    """Compare predictions, each (H, W) uint8 train ids, with the truth, in their order in time.

    Only one of them need be in memory at a time.
    """
    # Half the bytes to go through with each prediction.
    learned, forgotten = (np.zeros(truth.shape, np.int32) for _ in range(2))
    was_right = np.zeros(truth.shape, bool)
    for position, predicted in enumerate(predictions):
        is_right = predicted == truth
        np.copyto(learned, position + 1, where=~is_right)
        forgotten += was_right & ~is_right
        was_right = is_right
    is_ignored = truth == IGNORE
    learned[is_ignored] = forgotten[is_ignored] = -1
    return Learning(learned.astype(np.int64), forgotten.astype(np.int64))


def pack_right(predicted: Uint8Array, truth: Uint8Array) -> Uint8Array:
    """A bit for each pixel of two (H, W) maps, set where they are equal: (⌈H · W / 8⌉,) uint8."""
    return np.packbits(predicted == truth)


def count_forgotten(right: Uint8Array, truth: Uint8Array) -> IntArray:
    """The `Learning.forgotten` of predictions whose `pack_right` are the (E, B) rows of `right`."""
    lost = np.unpackbits(right[:-1] & ~right[1:], axis=1, count=truth.size)
    forgotten: IntArray = lost.sum(axis=0, dtype=np.int64).reshape(truth.shape)
    forgotten[truth == IGNORE] = -1
    return forgotten


def learned_shares(learned: IntArray, truth: Uint8Array, count: int) -> FloatArray:
    """The share of the pixels of each class that each of `count` predictions and all later know.

    `learned` is that of `follow_learning`. Returns (count, 19) float64; NaN without such pixels.
    """
    valid = truth != IGNORE
    cells = learned[valid] * NUM_CLASSES + truth[valid]
    pixels = np.bincount(cells, minlength=(count + 1) * NUM_CLASSES).reshape(-1, NUM_CLASSES)
    return ratio(pixels.cumsum(axis=0)[:-1], pixels.sum(axis=0))
