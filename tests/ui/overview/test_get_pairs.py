"""Pairs on the page Overview: recognised in the dataset's folder, unpacked beside it, opened."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_pairs import write_pairs
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS, until

from cityseg.data.dataset import find_frames
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.jobs.tasks import Task
from cityseg.system.files import read_json
from cityseg.ui.folders import Folders
from cityseg.ui.overview.get_pairs import target_of

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"


@pytest.fixture
def open_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    """The app on `data`, a folder of two pairs."""
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    write_pairs(tmp_path / "data", train=[1], val=[1])
    return lambda: AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS).run()


def words(at: AppTest) -> str:
    found = [each.value for kind in (at.markdown, at.error, at.caption) for each in kind]
    return "\n".join(found).replace("\\", "")


def press(at: AppTest) -> AppTest:
    (button,) = [each for each in at.button if each.label == "Recover labels"]
    return button.click().run()


def test_pairs_become_a_dataset_beside_them_which_is_opened(
    open_page: Callable[[], AppTest], tmp_path: Path
) -> None:
    at = open_page()
    assert f"**{tmp_path / 'data'}** holds 2 pairs" in words(at)
    assert not at.info
    at.radio(key="unsure").set_value("void")
    press(at)
    task = Task.of(tmp_path / "runs", "pairs", tmp_path / "data")
    until(lambda: not task.state().is_live)
    target = tmp_path / "data_dataset"
    assert read_json(target / "pairs.json")["unsure"] == "void"
    at = open_page()
    (button,) = [each for each in at.button if each.label == "Open the new dataset"]
    button.click().run()
    assert not at.exception
    assert at.selectbox(key="dataset").value == target.name
    assert str(target) in words(at)
    assert {frame.split for frame in find_frames(target)} == {"train", "val"}


def test_a_folder_without_pairs_is_explained_before_anything_starts(
    open_page: Callable[[], AppTest], tmp_path: Path
) -> None:
    at = open_page()
    at.text_input(key="pairs_folder").input(str(tmp_path / "nowhere"))
    press(at)
    assert f"{tmp_path / 'nowhere'} holds no pairs such as train/1.jpg" in words(at)


def test_pairs_elsewhere_become_the_dataset_itself(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "data", tmp_path / "runs")
    assert target_of(tmp_path / "kaggle", folders) == tmp_path / "data"
    assert target_of(tmp_path / "data" / "deeper", folders) == tmp_path / "data_dataset"
