"""Near hashes are those of comparing each with each, found with far fewer comparisons."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.review import near_hashes as module
from cityseg.review.near_hashes import Hashes, near_hashes

MOST_BITS = 40


def random_hashes(rng: np.random.Generator, count: int) -> Hashes:
    return rng.integers(1 << 64, size=(count, 4), dtype=np.uint64)


def varied(rng: np.random.Generator, hashes: Hashes, share: float) -> Hashes:
    """`hashes` with about this share of their bits changed."""
    changed = np.packbits(rng.random((len(hashes), 256)) < share, axis=1).view(np.uint64)
    return np.asarray(hashes ^ changed)


def of_scenes(seed: int, scenes: int, count: int, constant_bands: int) -> tuple[Hashes, Hashes]:
    """Hashes and queries about the limit from some scenes, with bands in which all are alike."""
    rng = np.random.default_rng(seed)
    centres = random_hashes(rng, scenes)
    centres.view(np.uint16)[:, :constant_bands] = 0
    first, second = (centres[rng.integers(scenes, size=count)] for _ in range(2))
    return varied(rng, first, 0.08), varied(rng, second, 0.06)


def compared_with_all(hashes: Hashes, queries: Hashes) -> dict[int, list[tuple[int, int]]]:
    found = {}
    for number, own in enumerate(queries):
        differing = np.bitwise_count(hashes ^ own).sum(axis=1).tolist()
        if near := [(place, bits) for place, bits in enumerate(differing) if bits <= MOST_BITS]:
            found[number] = near
    return found


def found_near(hashes: Hashes, queries: Hashes) -> dict[int, list[tuple[int, int]]]:
    near = list(near_hashes(hashes, queries, MOST_BITS))
    assert len({each.query for each in near}) == len(near)
    return {n.query: list(zip(n.places.tolist(), n.differing.tolist(), strict=True)) for n in near}


@given(
    seed=st.integers(0, 2**32 - 1),
    scenes=st.integers(1, 40),
    count=st.integers(1, 120),
    constant_bands=st.sampled_from([0, 0, 3, 13]),
    most_share=st.sampled_from([0.0, 0.02, 0.1, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_near_hashes_are_those_of_comparing_all(
    seed: int, scenes: int, count: int, constant_bands: int, most_share: float
) -> None:
    hashes, queries = of_scenes(seed, scenes, count, constant_bands)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEW", 0)
        patch.setattr(module, "_CHUNK", 50)
        patch.setattr(module, "_SAMPLE", 300)
        patch.setattr(module, "_LOOKUP_COST", 0.0)  # bands are worth it for few hashes, too
        patch.setattr(module, "_MOST_SHARE", most_share)
        assert found_near(hashes, queries) == compared_with_all(hashes, queries)


def test_no_hashes_and_no_queries_are_no_error() -> None:
    some, none = random_hashes(np.random.default_rng(0), 3000), np.empty((0, 4), np.uint64)
    assert found_near(some, none) == found_near(none, some) == {}


@pytest.mark.parametrize(("constant_bands", "saving"), [(0, 30), (3, 15)])
def test_few_hashes_are_compared_where_all_differ(
    constant_bands: int, saving: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    differing = module._differing

    def counted(some: Hashes, others: Hashes) -> Any:
        compared.append(len(some))
        return differing(some, others)

    monkeypatch.setattr(module, "_differing", counted)
    rng = np.random.default_rng(2)
    hashes, queries = random_hashes(rng, 6000), random_hashes(rng, 1500)
    for each in (hashes, queries):
        each.view(np.uint16)[:, :constant_bands] = 0
    queries[7] = varied(rng, hashes[5:6], 0.05)[0]
    assert [n.query for n in near_hashes(hashes, queries, MOST_BITS)] == [7]
    assert 0 < sum(compared) < len(hashes) * len(queries) / saving
