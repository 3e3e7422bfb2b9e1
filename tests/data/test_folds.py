"""Folds: parts of whole cities or drives, of about the same size, that together are everything."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityseg.data import Frame, part_of_frames
from cityseg.errors import ConfigError


def frame(city: str, number: int, drive: str = "") -> Frame:
    stem = f"{drive or city}_{number:06}"
    return Frame("train", city, stem, Path(f"{stem}.png"))


@given(st.lists(st.integers(1, 20), min_size=3, max_size=9), st.integers(2, 3))
def test_parts_are_whole_cities_and_together_everything(sizes: list[int], count: int) -> None:
    frames = [
        frame(f"city{index}", number) for index, size in enumerate(sizes) for number in range(size)
    ]
    parts = [part_of_frames(frames, f"{index}/{count}") for index in range(1, count + 1)]
    assert sorted(each.name for part in parts for each in part) == sorted(
        each.name for each in frames
    )
    cities = [{each.city for each in part} for part in parts]
    assert sum(map(len, cities)) == len(sizes)
    lengths = sorted(map(len, parts))
    assert lengths[-1] - lengths[0] <= max(sizes)
    assert part_of_frames(frames[::-1], f"1/{count}") == parts[0][::-1]


def test_where_there_is_one_city_drives_are_kept_whole() -> None:
    frames = [frame("all", number, drive) for drive in ("0001TP", "0006R0") for number in range(3)]
    part = part_of_frames(frames, "2/2")
    assert len({each.stem.partition("_")[0] for each in part}) == 1
    assert len(part) == 3


def test_more_parts_than_cities_is_an_error() -> None:
    frames = [frame(city, number) for city in ("a", "b") for number in range(9)]
    with pytest.raises(ConfigError, match=r"come from 2 places .* fewer than 3 parts"):
        part_of_frames(frames, "1/3")
