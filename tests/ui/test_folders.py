"""The folders of a session: from the command line, the environment, or the sidebar."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city

from cityseg.data.masks import convert
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.ui.folders import Folders

MAIN = Path(__file__).parents[2] / "cityseg" / "ui" / "pages" / "main.py"


@pytest.fixture
def bare_city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city without masks, whose masks lie in `elsewhere` beside it."""
    city = make_city(tmp_path / "city")
    (city / "masks").rename(tmp_path / "elsewhere")
    convert(city, tmp_path / "elsewhere")
    monkeypatch.setenv(DATASET_VARIABLE, str(city))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return city


def open_page(name: str) -> AppTest:
    at = AppTest.from_file(MAIN, default_timeout=60).run()
    at.switch_page(f"{name}.py").run()
    assert not at.exception
    return at


def with_a_mask(at: AppTest) -> str:
    return next(metric.value for metric in at.metric if metric.label == "With a mask")


def test_masks_may_be_outside_of_the_dataset(bare_city: Path) -> None:
    at = open_page("masks")
    assert with_a_mask(at) == "0"
    at.text_input(key="masks_folder").set_value(str(bare_city.parent / "elsewhere")).run()
    assert with_a_mask(at) == "15"


def test_the_command_line_sets_the_folder_of_masks(
    bare_city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = bare_city.parent / "elsewhere"
    monkeypatch.setattr(sys, "argv", ["app.py", "--masks", str(elsewhere)])
    at = open_page("masks")
    assert with_a_mask(at) == "15"
    other = make_city(bare_city.parent / "other")
    at.text_input(key="data_folder").set_value(str(other)).run()
    assert at.text_input(key="masks_folder").placeholder == str(other / "masks")


def test_a_new_run_trains_on_the_masks_of_the_session(
    bare_city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = bare_city.parent / "elsewhere"
    monkeypatch.setattr(sys, "argv", ["app.py", "--masks", str(elsewhere)])
    at = open_page("train")
    assert not [each for each in at.warning if "have a mask" in each.value]
    assert at.text_input(key="train_masks").placeholder == str(elsewhere)


def test_masks_are_in_the_dataset_by_default() -> None:
    assert Folders(Path("/data"), Path("/runs")).masks == Path("/data/masks")
