"""The official names: complete, sorted, and equal to genuine file names."""

import re
from itertools import groupby
from pathlib import Path

from cityseg.data import find_frames
from cityseg.data.official_names import official_stems


def test_all_train_and_val_names_are_there_once_and_sorted() -> None:
    for split, count in (("train", 2975), ("val", 500), ("test", 0)):
        stems = official_stems(split)
        assert len(set(stems)) == count
        assert list(stems) == sorted(stems)
        assert all(re.fullmatch(r"[a-z-]+_\d{6}_\d{6}", stem) for stem in stems)


def test_cities_have_their_official_numbers_of_frames() -> None:
    stems = official_stems("val")
    cities = {city: len([*each]) for city, each in groupby(stems, lambda s: s.partition("_")[0])}
    assert cities == {"frankfurt": 267, "lindau": 59, "munster": 174}
    train = {stem.partition("_")[0] for stem in official_stems("train")}
    assert len(train) == 18
    assert not train & set(cities)


def test_names_of_genuine_frames_are_official(genuine: Path) -> None:
    every = {*official_stems("train"), *official_stems("val")}
    stems = {frame.stem for frame in find_frames(genuine)}
    assert stems
    assert stems <= every
