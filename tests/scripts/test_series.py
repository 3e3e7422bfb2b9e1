"""What studies and boards share: which frames they see, and settings as flags."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_city

from cityseg.config import make_config
from cityseg.data import find_frames
from cityseg.data.exclusion import read_exclusion

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("series")


def test_frames_are_spread_evenly_over_those_that_are_left(series: Any, tmp_path: Path) -> None:
    data, more = make_city(tmp_path / "city"), tmp_path / "more.txt"
    more.write_text("train/tiny/tiny_000000_000000\n")
    frames = {"train": 3}
    path = series.write_exclusion(tmp_path / "study", data, frames, more)
    kept = [1, 4, 7]  # of 1 to 9
    names = [f"train/tiny/tiny_000000_{number:06d}" for number in range(10) if number not in kept]
    assert list(read_exclusion(path).names) == names
    assert series.write_exclusion(tmp_path / "study", data, frames, more) == path
    more.write_text("")
    path = series.write_exclusion(tmp_path / "all", data, {"train": 99, "val": 2}, more)
    assert [name[-1] for name in read_exclusion(path).names] == ["1", "3", "4"]


def test_frames_are_linked_once_and_spread_evenly(series: Any, tmp_path: Path) -> None:
    data = make_city(tmp_path / "city")
    for _ in range(2):
        assert series.link_frames(data, tmp_path / "some", 4) == tmp_path / "some"
    frames = find_frames(tmp_path / "some", ["train", "val"])
    assert [frame.stem[-1] for frame in frames if frame.split == "train"] == ["0", "2", "5", "7"]
    assert sum(frame.split == "val" for frame in frames) == 5
    for frame in frames:
        for path in (frame.image, frame.label_ids):
            assert path
            assert path.is_symlink()


def test_a_study_sees_so_many_frames(
    series: Any,
    tmp_path: Path,
    script: Callable[..., tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studies = importlib.import_module("studies")
    trained: list[dict[str, Any]] = []

    def train(folder: Path, settings: dict[str, Any], workers: int) -> str:
        assert (folder, workers) == (tmp_path / "runs" / "box", 1)
        trained.append(settings)
        return "trained"

    monkeypatch.setattr(series, "train", train)
    monkeypatch.setitem(studies.FRAMES, "box", {"train": 4})
    data = make_city(tmp_path / "city")
    _, notes = script("ablate", "box", "--data", data, "--runs", tmp_path / "runs", "--seeds", 3)
    assert notes == "trained\n" * 21
    assert {len(read_exclusion(settings["exclude"]).names) for settings in trained} == {6}
    assert [settings["title"] for settings in trained[6:8]] == [
        "no blur, no noise, seed 0",
        "base, seed 1",
    ]


def test_all_studies_have_valid_settings(series: Any) -> None:
    for variants in importlib.import_module("studies").STUDIES.values():
        for settings in variants.values():
            values = {name: value for name, value in settings.items() if name != "preset"}
            make_config(values, settings.get("preset", "reference"))


def test_settings_are_flags(series: Any) -> None:
    flags = series.as_flags({"flip": True, "compile": False, "batch_size": 4})
    assert list(flags) == ["--flip", "--no-compile", "--batch-size=4"]
