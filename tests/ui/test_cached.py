"""How often the pages look for changes of files."""

from pathlib import Path

import pytest

from cityseg.sample import make_sample
from cityseg.ui import cached


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A dataset of one frame."""
    make_sample(tmp_path / "city", frames={"train": 1}, size_hw=(32, 64))
    return tmp_path / "city"


def add_frame(city: Path) -> None:
    for path in sorted(city.glob("*/train/*/*.png")):
        place, _, name = path.name.rpartition("_000019_")
        path.with_name(f"{place}9_000019_{name}").write_bytes(path.read_bytes())


def test_frames_are_looked_for_once_in_a_run_of_a_page_and_again_in_the_next(city: Path) -> None:
    masks = city / "masks"
    with cached.one_look():
        assert len(cached.frames(city, masks)) == 1
        add_frame(city)
        assert len(cached.frames(city, masks)) == 1
    with cached.one_look():
        assert len(cached.frames(city, masks)) == 2


def test_forgotten_frames_are_looked_for_in_the_same_run(city: Path) -> None:
    masks = city / "masks"
    with cached.one_look():
        assert cached.catalogue(city, masks).frames
        add_frame(city)
        cached.forget_frames()
        assert len(cached.frames(city, masks)) == 2
