"""What a run is resumed with, and what refuses to be resumed without changing a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import content_of, make_city, make_run, tiny_config

from cityseg.errors import CheckpointError, ConfigError, DatasetError
from cityseg.runs.checkpoints import save_state
from cityseg.runs.folder import RunDir
from cityseg.runs.resuming import check_resume, resumed_config, why_done


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_city(tmp_path_factory.mktemp("resuming") / "data", train=3, val=2)


def with_epochs(data: Path, *scores: float, status: str = "done", **settings: Any) -> RunDir:
    """A run whose epochs had these mean IoUs."""
    run = make_run(data, **settings)
    for epoch, mean_iou in enumerate(scores, 1):
        row = {"kind": "epoch", "epoch": epoch, "step": epoch, "mean_iou": mean_iou}
        run.append_metrics(row)
    run.write_summary({"status": status, "epochs": len(scores)})
    return run


def test_paths_and_device_are_those_of_this_machine(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(data)
    monkeypatch.chdir(tmp_path)
    config = resumed_config(run, {"data": "here", "device": "cuda:1", "epochs": "9"})
    assert (config.data, config.masks_folder) == (tmp_path / "here", tmp_path / "here" / "masks")
    assert (config.device, config.epochs, config.width) == ("cuda:1", 9, run.config().width)
    assert resumed_config(run, {}) == run.config()


def test_the_dataset_of_the_environment_takes_the_place_of_one_that_is_gone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path))
    assert resumed_config(make_run(data), {}).data == data
    gone = RunDir.create(tmp_path / "runs", tiny_config(tmp_path / "gone"))
    assert resumed_config(gone, {}).data == tmp_path
    assert resumed_config(gone, {"data": data}).data == data


@pytest.mark.parametrize("change", [{"width": 4}, {"data": "/x", "learning_rate": 1}])
def test_what_a_run_is_cannot_be_changed(data: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"A resumed run keeps its (width|learning_rate): leave"):
        resumed_config(make_run(data), change)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "is done after 3 epochs, and stays as it is: to train it longer, resume it with"),
        ({"data": "/elsewhere"}, "is done after 3 epochs"),
        ({"epochs": "3"}, "it has 3 epochs already"),
        ({"epochs": 2}, "it has 3 epochs already"),
        ({"epochs": 4}, ""),
    ],
)
def test_a_finished_run_continues_only_with_more_epochs(
    data: Path, changes: Mapping[str, Any], reason: str
) -> None:
    run = with_epochs(data, 0.1, 0.2, 0.3, epochs=3)
    found = why_done(run, changes)
    assert reason in found
    assert bool(reason) == bool(found)


def test_a_run_that_no_longer_improved_continues_only_with_more_patience(data: Path) -> None:
    run = with_epochs(data, 0.3, 0.2, 0.1, epochs=9, patience=2)
    assert "none of the last 2 was better" in why_done(run, {"epochs": 20})
    assert why_done(run, {"epochs": 20, "patience": 0}) == ""
    assert why_done(run, {"patience": 5}) == ""


def test_an_unfinished_run_is_not_done(data: Path) -> None:
    assert why_done(with_epochs(data, 0.1, status="stopped"), {}) == ""


def test_what_cannot_be_resumed_is_left_as_it_is(data: Path, tmp_path: Path) -> None:
    run, elsewhere = make_run(data), {"data": tmp_path / "none"}
    before = content_of(run.path)
    check_resume(run, resumed_config(run, {}))
    with pytest.raises(DatasetError, match="There is no folder"):
        check_resume(run, resumed_config(run, elsewhere))
    with pytest.raises(ConfigError, match="device is cuda:7, but this machine has"):
        check_resume(run, resumed_config(run, {"device": "cuda:7"}))
    assert content_of(run.path) == before


def test_results_without_a_state_cannot_be_continued_with_more_epochs(data: Path) -> None:
    run = with_epochs(data, 0.1, 0.2)
    with pytest.raises(CheckpointError, match="cannot be continued, and was left as it is"):
        check_resume(run, resumed_config(run, {"epochs": 9}))


def test_first_weights_that_are_gone_can_be_named_anew_before_a_run_begins(
    data: Path, tmp_path: Path
) -> None:
    run = make_run(data, start_from=tmp_path / "gone.safetensors")
    with pytest.raises(CheckpointError, match=r"There is no network .*gone"):
        check_resume(run, resumed_config(run, {}))
    check_resume(run, resumed_config(run, {"start_from": "none"}))
    save_state(run, {})
    check_resume(run, resumed_config(run, {}))
