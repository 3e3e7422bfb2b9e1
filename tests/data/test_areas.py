"""Areas of maps: what lies in them gets another value, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityseg.data.areas import IgnoredAreas, painted
from cityseg.errors import ReviewError
from cityseg.review import Region


@given(st.lists(st.integers(0, 2**12 - 1).filter(bool), max_size=3))
def test_the_pixels_of_all_areas_and_only_they_are_painted(bits: list[int]) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    masks = [(each >> np.arange(12).reshape(3, 4) & 1).astype(np.bool_) for each in bits]
    before = values.copy()
    found = painted(values, map(Region.of, masks), 255, "a map")
    expected = np.where(np.any([np.zeros((3, 4), np.bool_), *masks], axis=0), 255, values)
    assert np.array_equal(found, expected)
    assert np.array_equal(values, before)


def test_an_area_outside_of_the_map_is_an_error() -> None:
    region = Region.of(np.ones((2, 2), np.bool_), top=3, left=1)
    areas = IgnoredAreas("key", (region,))
    with pytest.raises(ReviewError, match=r"mask\.png is 4×4 pixels, but .* ends at x 3, y 5"):
        areas.applied(np.zeros((4, 4), np.uint8), Path("mask.png"))
