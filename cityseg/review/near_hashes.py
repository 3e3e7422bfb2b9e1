"""Hashes of 256 bits that differ in few of them, found without comparing each with all others.

Multi-index hashing (Norouzi, Punjani and Fleet, arXiv 1307.2982): a hash is cut into bands of 16
bits, and each band has a radius. If radius + 1, added up over all bands, is more than the bits in
which two hashes differ, then in one of the bands they differ in no more bits than its radius. So
only hashes with such a band are compared, and none is missed. In some bands nearly all pictures are
alike, as their skies are: the radii are those with the fewest comparisons, by a sample of pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, IntArray

Hashes = npt.NDArray[np.uint64]
_Keys = npt.NDArray[np.uint16]

_BITS: Final = 16
_KEYS: Final = np.arange(1 << _BITS, dtype=np.uint16)
#: Pairs of hashes of which the differing bits of each band are counted.
_SAMPLE: Final = 20_000
#: The cost of finding the hashes with one key, where that of comparing two hashes is 1.
_LOOKUP_COST: Final = 0.2
#: Queries that are worked on together.
_CHUNK: Final = 128
#: So few hashes are all compared, and so are all with a query that is near to more in one band.
_FEW: Final = 2048
_MOST_SHARE: Final = 1 / 16


class Near(NamedTuple):
    """The `places` (K,) of the hashes near to a query, ascending, and their `differing` bits."""

    query: int
    places: IntArray
    differing: IntArray


def near_hashes(hashes: Hashes, queries: Hashes, most_bits: int) -> Iterator[Near]:
    """For each of the (Q, 4) `queries`, which of the (N, 4) `hashes` differ in at most `most_bits`.

    Yields the queries with such hashes, each once, in any order.
    """
    keys, asked = (np.ascontiguousarray(each).view(np.uint16) for each in (hashes, queries))
    bands = _bands_of(keys, asked, most_bits) if len(hashes) > _FEW and len(queries) else []
    everything = np.arange(len(hashes))
    for start in range(0, len(queries), _CHUNK):
        own, own_keys = queries[start : start + _CHUNK], asked[start : start + _CHUNK]
        is_dense = np.full(len(own), not bands)
        found = [np.empty((3, 0), np.int64)]
        for band in bands:
            rows, places = band.candidates(own_keys, is_dense)
            differing = _differing(hashes[places], own[rows])
            near = differing <= most_bits
            found.append(np.stack([rows[near], places[near], differing[near]]))
        rows, places, differing = np.concatenate(found, axis=1)
        _, firsts = np.unique(rows * len(hashes) + places, return_index=True)
        rows, places, differing = rows[firsts], places[firsts], differing[firsts]
        for row in np.unique(rows[~is_dense[rows]]).tolist():
            part = slice(*np.searchsorted(rows, (row, row + 1)))
            yield Near(start + row, places[part], differing[part])
        for row in np.flatnonzero(is_dense).tolist():
            differing = _differing(hashes, own[row])
            near = differing <= most_bits
            if near.any():
                yield Near(start + row, everything[near], differing[near])


def _differing(some: Hashes, others: Hashes) -> IntArray:
    bits: IntArray = np.bitwise_count(some ^ others).sum(axis=1, dtype=np.int64)
    return bits


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """The hashes by the key that their 16 bits of one band are."""

    number: int
    masks: _Keys  # what may differ
    order: IntArray  # places of the hashes, by their keys
    starts: IntArray  # where those of each key begin in `order`; one more is the end

    @classmethod
    def of(cls, keys: _Keys, number: int, radius: int) -> "_Band":
        counts = np.bincount(keys[:, number], minlength=_KEYS.size)
        return cls(
            number,
            _KEYS[np.bitwise_count(_KEYS) <= radius],
            np.argsort(keys[:, number], kind="stable"),
            np.concatenate([[0], np.cumsum(counts)]),
        )

    def candidates(self, asked: _Keys, is_dense: BoolArray) -> tuple[IntArray, IntArray]:
        """Rows of `asked` (C, 16), and the place of a hash for each, near to it in this band.

        Rows that are `is_dense` (C,) have none; those that would have too many become so.
        """
        wanted = asked[:, self.number, np.newaxis] ^ self.masks
        first = self.starts[wanted]
        counts = self.starts[1:][wanted] - first
        is_dense |= counts.sum(axis=1) > _MOST_SHARE * len(self.order)
        counts[is_dense] = 0
        rows = np.repeat(np.arange(len(asked)), counts.sum(axis=1))
        lengths = counts.ravel()
        ends = np.cumsum(lengths)
        shifts = np.repeat(first.ravel() - ends + lengths, lengths)
        return rows, self.order[np.arange(len(rows)) + shifts]


def _bands_of(keys: _Keys, asked: _Keys, most_bits: int) -> list[_Band]:
    """The bands by which hashes with these keys are found; none if that takes longer."""
    rng = np.random.default_rng(0)
    some, others = (each[rng.integers(len(each), size=_SAMPLE)] for each in (keys, asked))
    differing = np.bitwise_count(some ^ others)
    # By radius and band: what it costs to raise the radius of the band to that.
    costs = np.full((_BITS + 2, keys.shape[1]), np.inf)
    for bits in range(_BITS + 1):
        candidates = (differing == bits).mean(axis=0) * len(keys)
        costs[bits] = candidates + _LOOKUP_COST * comb(_BITS, bits)
    radii, total = np.full(keys.shape[1], -1), 0.0
    for _ in range(most_bits + 1):
        raising = costs[radii + 1, np.arange(len(radii))]
        cheapest = int(raising.argmin())
        radii[cheapest] += 1
        total += float(raising[cheapest])
    if total > len(keys):
        return []
    return [
        _Band.of(keys, band, radius) for band, radius in enumerate(radii.tolist()) if radius >= 0
    ]
