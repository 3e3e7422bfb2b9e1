"""Regions against their definition, one region at a time, and a case to check by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE
from cityseg.metrics.components import connected_components, find_overlaps
from cityseg.metrics.error_kinds import error_counts, region_errors
from cityseg.metrics.regions import SIDES, Uncertainty, region_columns


@st.composite
def frames(draw):
    """Truth, prediction and uncertainty of a few pixels."""
    size = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=10))
    values = st.sampled_from([0, 1, IGNORE])
    truth, predicted = (draw(hnp.arrays(np.uint8, size, elements=values)) for _ in range(2))
    levels = hnp.arrays(np.uint8, size, elements=st.integers(0, 255))
    return truth, predicted, Uncertainty(draw(levels), draw(levels), draw(levels))


def describe(truth, predicted, uncertainty):
    both = find_overlaps(truth, predicted)
    return region_columns(both, uncertainty, region_errors(both, 1))


@given(frames())
def test_each_region_is_described_as_by_its_own_pixels(frame) -> None:
    truth, predicted, uncertainty = frame
    maps = truth, np.where(truth == IGNORE, IGNORE, predicted)
    tables = describe(*frame)
    for side, own, other in zip(SIDES, maps, maps[::-1], strict=True):
        table, found, others = tables[side], connected_components(own), connected_components(other)
        assert len(table["pixels"]) == len(found.pixels) - 1
        for row in range(len(table["pixels"])):
            inside = found.ids == row + 1
            assert table["pixels"][row] == inside.sum()
            assert (own[inside] == table["train_id"][row]).all()
            for name, levels in uncertainty._asdict().items():
                assert table[name][row] == pytest.approx(levels[inside].mean() / 255, abs=1e-6)
            median = np.quantile(uncertainty.confidence[inside] / 255, 0.5, method="inverted_cdf")
            assert table["confidence_50"][row] == pytest.approx(median, abs=1 / 64)
            counts = np.bincount(other[inside], minlength=256)
            assert counts[table["other"][row]] == counts.max()
            share = counts.max() / inside.sum()
            assert table["other_share"][row] == pytest.approx(share, abs=1e-6)
            candidates = [others.ids == each for each in set(others.ids[inside].tolist()) - {0}]
            best = max(
                (
                    (inside & each).sum() / (inside | each).sum()
                    for each in candidates
                    if other[each][0] == table["train_id"][row]
                ),
                default=0,
            )
            assert table["iou"][row] == pytest.approx(best, abs=1e-6)


@given(frames())
def test_the_errors_of_the_regions_add_up_to_those_of_the_classes(frame) -> None:
    both = find_overlaps(*frame[:2])
    counts = error_counts(both, region_errors(both, 1))
    for side, table in enumerate(describe(*frame).values()):
        for train_id in (0, 1):
            own = table["train_id"] == train_id
            is_found = table["iou"] > 0
            others = table["other_errors"]
            sums = [
                table["boundary_errors"][own].sum(),
                others[own & is_found].sum(),
                others[own & ~is_found].sum(),
            ]
            assert counts[train_id, side].tolist() == sums


def test_an_invented_object_has_a_box_and_no_match() -> None:
    truth, predicted = np.zeros((20, 40), np.uint8), np.zeros((20, 40), np.uint8)
    predicted[5:10, 10:20] = 13
    levels = np.full((20, 40), 255, np.uint8)
    levels[5:10, 10:20] = 51
    table = describe(truth, predicted, Uncertainty(levels, levels, levels))["prediction"]
    row = table["train_id"].tolist().index(13)
    assert [int(table[name][row]) for name in ("top", "left", "bottom", "right")] == [5, 10, 10, 20]
    assert (table["pixels"][row], table["other"][row], table["other_share"][row]) == (50, 0, 1)
    assert table["iou"][row] == 0
    assert table["confidence"][row] == pytest.approx(0.2)
    assert table["contour_share"][row] == pytest.approx((50 - 3 * 8) / 50)
    road = 1 - row
    assert table["iou"][road] == pytest.approx(750 / 800)
