"""The part of the page Overview that removes what nobody needs: asked first, and nothing else."""

import os
import time
from pathlib import Path

import city
import pytest
from header import page_buttons
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city
from waiting import PATIENCE_SECONDS

from cityseg.data.masks import convert
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.ui.text import plain

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
HOSTILE = ".*of*_<img src=x>.png.1-0a1b2c3d.part"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    make_city(tmp_path / "data", 1, 1)
    convert(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def leftover(data: Path) -> Path:
    """A temporary file of 3 MB whose writer was killed two hours ago."""
    path, then = city.write(data / "masks" / HOSTILE, b"x" * 3_000_000), time.time() - 7200
    os.utime(path, (then, then))
    return path


@pytest.fixture
def at(data: Path) -> AppTest:
    page = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS).run()
    assert not page.exception
    return page


def click(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def labels(at: AppTest) -> list[str]:
    return [button.label for button in page_buttons(at)]


def table(at: AppTest) -> list[dict[str, object]]:
    frames = [each.value for each in at.dataframe if "Reason" in each.value]
    return [row for frame in frames for row in frame.to_dict("records")]


LOOK, REMOVE = "Look for files to remove", "Remove 1 item, 3.0 MB"


def test_nothing_is_searched_before_that_is_asked_for(leftover: Path, at: AppTest) -> None:
    assert LOOK in labels(at)
    assert table(at) == []


def test_without_leftovers_that_is_said(at: AppTest) -> None:
    click(at, LOOK)
    assert "There is nothing to remove." in [each.value for each in at.markdown]
    assert not [label for label in labels(at) if label.startswith("Remove")]


def test_leftovers_are_listed_with_their_sizes_and_removed_once_confirmed(
    leftover: Path, at: AppTest
) -> None:
    fresh = city.write(leftover.with_name(".fresh.1-0a1b2c3d.part"))
    click(at, LOOK)
    rows = {row["Path"]: row for row in table(at)}
    assert rows[str(leftover)]["Size"] == pytest.approx(3, abs=0.1)
    assert rows[str(leftover)]["Reason"] == "The writing of this file was killed."
    assert (rows[str(leftover)]["Removed"], rows[str(fresh)]["Removed"]) == (True, False)
    click(at, REMOVE)
    assert leftover.exists()
    click(at, "Remove them")
    assert (leftover.exists(), fresh.exists()) == (False, True)
    assert [each.value for each in at.success] == ["Removed 1 item."]
    assert [row["Path"] for row in table(click(at, LOOK))] == [str(fresh)]


def test_they_stay_if_that_is_chosen(leftover: Path, at: AppTest) -> None:
    click(click(click(at, LOOK), REMOVE), "Keep them")
    assert leftover.exists()
    assert REMOVE in labels(at)


def test_what_cannot_be_removed_is_said(
    leftover: Path, at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    click(click(at, LOOK), REMOVE)
    monkeypatch.setattr(Path, "unlink", refuse)
    click(at, "Remove them")
    said = f"{leftover} cannot be removed (Permission denied): check its permissions."
    assert plain(said) in [each.value for each in at.error]
    assert not at.success


def test_without_folders_there_is_nothing_to_look_through(data: Path, at: AppTest) -> None:
    data.rename(data.with_name("elsewhere"))
    at.run()
    assert LOOK not in labels(at)
