"""The command evaluate with the network in the box; test_main has those with runs and files."""

from pathlib import Path

import boxes
import pytest
import tiny_runs
from city import image_path, write

from cityseg.cli.main import main
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.evaluation import load_confusions, load_evaluation
from cityseg.runs import BoxRun


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.make_city(tmp_path_factory.mktemp("evaluate") / "city", train=0, val=2)


def test_the_scores_of_the_box_lie_in_the_folder_of_runs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = boxes.fill_box(tmp_path / "box", monkeypatch)
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    before = tiny_runs.content_of(weights.parent)
    assert main(["evaluate", "box", "--data", str(data), "--device", "cpu"]) == 0
    evaluation = load_evaluation(BoxRun.below(tmp_path / "runs"), "val")
    assert evaluation
    assert (len(evaluation.store.names), evaluation.data) == (2, str(data))
    assert tiny_runs.content_of(weights.parent) == before


def test_the_box_is_evaluated_on_the_usual_dataset(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights name no dataset of this machine, not even where there is a folder data."""
    boxes.fill_box(tmp_path / "box", monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    monkeypatch.setenv(DATASET_VARIABLE, str(data))
    assert main(["evaluate", "box", "--device", "cpu", "--out", "scores.json"]) == 0


def test_another_layout_is_evaluated_without_masks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    monkeypatch.chdir(tmp_path)
    stem = "tiny_000000_000000"
    foggy = f"{stem}_leftImg8bit_foggy_beta_0.02.png"
    (tmp_path / "city/leftImg8bit").mkdir(parents=True)
    (tmp_path / "city/leftImg8bit/val").symlink_to(data / "leftImg8bit/val")
    (tmp_path / "city/gtFine").symlink_to(data / "gtFine")
    write(
        tmp_path / "city/leftImg8bit_foggy/val/tiny" / foggy,
        image_path(data, stem, "val").read_bytes(),
    )
    command = ["evaluate", "box", "--data", "city", "--device", "cpu", "--out", "scores.json"]
    assert main([*command, "--layout", "foggy"]) == 0
    store = load_confusions(Path("scores.npz"))
    assert store.names == [f"val/tiny/{stem}_foggy_beta_0.02"]
