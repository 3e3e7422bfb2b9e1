"""Runs of equal neighbours, and the type of OpenCV's results."""

import numpy as np
import pytest

from cityseg.arrays import as_uint8, runs


def test_equal_neighbours_are_merged_row_by_row() -> None:
    label_map = np.array([[7, 7, 7, 7, 7], [7, 7, 9, 9, 9]], np.uint8)
    (values,), pixels = runs(label_map)
    assert pixels is not None
    assert (values.tolist(), pixels.tolist()) == ([7, 9], [7, 3])


def test_neighbours_of_several_maps_must_agree_in_all_of_them() -> None:
    first, second = np.repeat([1, 2], 6), np.repeat([5, 6], [3, 9])
    (firsts, seconds), pixels = runs(first, second)
    assert pixels is not None
    assert (firsts.tolist(), seconds.tolist()) == ([1, 1, 2], [5, 6, 6])
    assert pixels.tolist() == [3, 3, 6]


def test_noise_is_not_merged() -> None:
    noise = np.tile(np.array([1, 2], np.uint8), (4, 4))
    (values,), pixels = runs(noise)
    assert pixels is None
    assert values.tolist() == noise.ravel().tolist()


def test_one_pixel_is_one_run() -> None:
    (values,), pixels = runs(np.array([[3]], np.uint8))
    assert pixels is not None
    assert (values.tolist(), pixels.tolist()) == ([3], [1])


def test_only_bytes_pass_for_uint8() -> None:
    assert as_uint8(np.zeros(2, np.uint8)).dtype == np.uint8
    with pytest.raises(AssertionError):
        as_uint8(np.zeros(2, np.uint16))
