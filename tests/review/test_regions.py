"""Regions: run lengths to a mask and back, and what is no region."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from cityseg.review.regions import Region, box_iou, box_ious, mask_of_runs, run_lengths

masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(masks)
def test_run_lengths_give_the_mask_back(mask: np.ndarray) -> None:
    runs = run_lengths(mask)
    assert all(length > 0 for length in runs[1:])
    assert np.array_equal(mask_of_runs(runs, mask.shape), mask)


@given(masks.filter(np.any), st.integers(0, 9), st.integers(0, 9))
def test_a_region_keeps_its_pixels_and_its_place(mask: np.ndarray, top: int, left: int) -> None:
    region = Region.of(mask, top, left)
    frame = np.zeros((30, 30), np.bool_)
    frame[region.top : region.bottom, region.left : region.right] = region.mask()
    wanted = np.zeros((30, 30), np.bool_)
    wanted[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    assert np.array_equal(frame, wanted)
    assert region.pixels == np.count_nonzero(mask)
    again = Region.model_validate_json(region.model_dump_json())
    assert again == region
    assert hash(again) == hash(region)


def test_a_small_region_by_eye() -> None:
    region = Region.of(np.array([[0, 0, 0], [0, 1, 1], [0, 1, 0]], np.bool_), top=5, left=7)
    assert (region.top, region.left, region.bottom, region.right) == (6, 8, 8, 10)
    assert region.runs == (0, 3, 1)


def test_a_mask_without_a_pixel_is_no_region() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        Region.of(np.zeros((3, 3), np.bool_))


@pytest.mark.parametrize(
    ("box", "runs"),
    [
        ((0, 0, 2, 2), (0, 3)),
        ((0, 0, 2, 2), (4,)),
        ((2, 0, 2, 2), (0, 0)),
        ((0, 0, 1 << 20, 1 << 20), (0, 1 << 40)),
    ],
)
def test_runs_fill_their_box_and_boxes_have_pixels(
    box: tuple[int, int, int, int], runs: tuple[int, ...]
) -> None:
    top, left, bottom, right = box
    with pytest.raises(ValidationError):
        Region(top=top, left=left, bottom=bottom, right=right, runs=runs)


def test_the_overlap_of_boxes_is_shared_by_united_area() -> None:
    one = (0, 0, 10, 10)
    others = [(0, 0, 10, 10), (5, 0, 15, 10), (10, 0, 20, 10), (2, 2, 4, 4)]
    expected = [1, 50 / 150, 0, 4 / 100]
    assert [box_iou(one, other) for other in others] == pytest.approx(expected)
    assert box_ious(np.array(others), one) == pytest.approx(expected)
    assert box_ious(np.empty((0, 4), np.int64), one).shape == (0,)
    assert box_iou((3, 3, 3, 3), (4, 4, 4, 4)) == 0
