"""The mosaic: which frames it has, and tiles that lead to them for the chosen folders."""

from html import unescape
from pathlib import Path

import city
import pytest
from header import open_folder
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.data.catalogue import load_catalogue
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.ui.overview.mosaic import mosaic_frames

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
TAG = '<img src=x onerror="alert(1)">'


def chosen(data: Path) -> list[str]:
    return [
        frame.stem for frame in mosaic_frames(load_catalogue(find_frames(data), data / "masks"))
    ]


def test_twelve_frames_are_spread_over_the_dataset(tmp_path: Path) -> None:
    for number in range(20):
        city.write_frame(tmp_path, f"a_{number:02}_0")
    stems = chosen(tmp_path)
    assert len(set(stems)) == 12
    assert (stems[0], stems[-1]) == ("a_00_0", "a_18_0")


def test_frames_with_classes_come_before_blank_ones_and_those_without_a_photo(
    tmp_path: Path,
) -> None:
    city.write_frame(tmp_path, "a_0_0")
    city.write_frame(tmp_path, "a_1_0", label_ids=city.street() * 0)
    city.write_frame(tmp_path, "a_2_0")
    city.image_path(tmp_path, "a_2_0").unlink()
    assert chosen(tmp_path) == ["a_0_0", "a_1_0"]
    convert(tmp_path)
    assert chosen(tmp_path) == ["a_0_0"]


def test_tiles_lead_to_the_frames_of_the_chosen_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "other"):
        city.write_frame(tmp_path / name, f"{TAG}_0_0")
    city.annotation_path(tmp_path / "given", f"{TAG}_0_0").unlink()
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "given"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS).run()
    assert 'href="browse?frame=train/%3Cimg' in mosaic_of(at)
    assert "overlay" not in mosaic_of(at)
    open_folder(at, "dataset", tmp_path / "other")
    text = mosaic_of(at)
    assert "browse?dataset=other&frame=train/%3Cimg" in unescape(text)
    assert "/overlay?frame=" in text
    assert TAG not in text


def mosaic_of(at: AppTest) -> str:
    assert not at.exception
    (text,) = [each.proto.body for each in at.get("html") if 'class="mosaic"' in each.proto.body]
    return str(text)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 2), (6, 2), (9, 3)])
def test_few_frames_are_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, columns: int
) -> None:
    for number in range(count):
        city.write_frame(tmp_path / "city", f"a_{number}_0")
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "city"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS).run()
    assert f"--columns: {columns};" in mosaic_of(at)
