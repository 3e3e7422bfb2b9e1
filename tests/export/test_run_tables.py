"""Runs as tables and for TensorBoard: each finished epoch once, with the settings that differ."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_runs
from pyarrow import parquet

from cityseg.cli.main import main
from cityseg.labels import CLASS_NAMES
from cityseg.runs import RunDir, write_notes

Capture = pytest.CaptureFixture[str]


def epoch(number: int) -> dict[str, Any]:
    ious = dict.fromkeys(CLASS_NAMES, 0.5) | {"train": None}
    return {
        "kind": "epoch",
        "epoch": number,
        "step": 5 * number,
        "train_loss": 1.0 / number,
        "val_loss": None,
        "mean_iou": 0.1 * number,
        "pixel_accuracy": 0.2 * number,
        "class_iou": ious,
        "learning_rate": 0.01,
        "seconds": 2.0,
        "frames_per_second": 4.0,
    }


@pytest.fixture
def runs(tmp_path: Path) -> list[RunDir]:
    """Two runs of two epochs and one, and one that has only begun."""
    made = []
    for seed, epochs in ((1, 2), (2, 1), (3, 0)):
        run = tiny_runs.make_run(tmp_path / "city", seed=seed, title="=1+1")
        run.append_metrics({"kind": "train", "epoch": 1, "step": 1, "steps": 5, "loss": 1.0})
        for number in range(1, epochs + 1):
            run.append_metrics(epoch(number))
        made.append(run)
    write_notes(made[1], "Second", "", [])
    return made


def exported(runs: Sequence[RunDir], form: str, out: Path) -> int:
    return main(["jobs", "export", *(str(run.path) for run in runs), "--to", form, f"--out={out}"])


def test_a_table_has_a_row_for_each_epoch(
    runs: list[RunDir], tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "new" / "runs.csv"
    assert exported(runs[:2], "csv", out) == 0
    assert capfd.readouterr().out == f"{out}: 3 epochs of 2 runs.\n"
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["epoch"]) for row in rows] == [
        (runs[0].id, "1"),
        (runs[0].id, "2"),
        (runs[1].id, "1"),
    ]
    assert [row["title"] for row in rows] == ["'=1+1", "'=1+1", "Second"]  # no formula
    assert [row["setting_seed"] for row in rows] == ["1", "1", "2"]
    assert [name for name in rows[0] if name.startswith("setting_")] == ["setting_seed"]
    assert rows[1]["train_loss"] == "0.5"
    assert rows[1]["val_loss"] == ""
    assert rows[1]["iou_traffic_light"] == "0.5"
    assert rows[1]["iou_train"] == ""


def test_parquet_has_the_same_with_types(runs: list[RunDir], tmp_path: Path) -> None:
    out = tmp_path / "runs.parquet"
    assert exported(runs[:2], "parquet", out) == 0
    rows = parquet.read_table(out).to_pylist()
    assert [(row["setting_seed"], row["epoch"], row["mean_iou"]) for row in rows] == [
        (1, 1, 0.1),
        (1, 2, 0.2),
        (2, 1, 0.1),
    ]
    assert rows[0]["iou_train"] is None
    assert rows[0]["title"] == "=1+1"


def test_a_run_without_an_epoch_is_named_and_left_out(
    runs: list[RunDir], tmp_path: Path, capfd: Capture
) -> None:
    assert exported(runs, "csv", tmp_path / "runs.csv") == 2
    assert f"{runs[2].path} has finished no epoch: it is left out." in capfd.readouterr().err
    out = tmp_path / "none.csv"
    assert exported(runs[2:], "csv", out) == 1
    assert "None of these runs has finished an epoch" in capfd.readouterr().err
    assert not out.exists()


def test_runs_are_named_by_their_ids_and_counted_once(
    runs: list[RunDir], tmp_path: Path, capfd: Capture
) -> None:
    names = [runs[0].id, runs[0].id, "--runs", str(runs[0].path.parent)]
    out = tmp_path / "runs.csv"
    assert main(["jobs", "export", *names, "--to", "csv", "--out", str(out)]) == 0
    assert ": 2 epochs of 1 run." in capfd.readouterr().out


def test_tensorboard_gets_a_folder_for_each_run(
    runs: list[RunDir], tmp_path: Path, capfd: Capture
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "events"
    assert exported(runs[:2], "tensorboard", out) == 0
    events = EventAccumulator(str(out / runs[0].id)).Reload()
    tags = events.Tags()["scalars"]
    found = {(tag, round(each.value, 6), each.step) for tag in tags for each in events.Scalars(tag)}
    assert {("train_loss", 0.5, 2), ("mean_iou", 0.2, 2)} <= found
    assert ("class_iou/traffic light", 0.5, 1) in found
    assert not [tag for tag in tags if tag == "val_loss" or tag.endswith("/train")]
    assert list((out / runs[1].id).iterdir())
    assert exported(runs[:2], "tensorboard", out) == 1  # events would be there twice
    assert "is not empty" in capfd.readouterr().err


def test_a_missing_tensorboard_is_named(
    runs: list[RunDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    out = tmp_path / "events"
    assert exported(runs[:2], "tensorboard", out) == 1
    assert "not installed: run pip install 'cityseg[tensorboard]'" in capfd.readouterr().err
    assert not out.exists()


def test_wandb_gets_each_run_by_the_command_track(
    runs: list[RunDir], monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    sent: list[tuple[Path, str]] = []
    statuses = iter([0, 1, 0, 0])

    def track(run: RunDir, mode: str, *, follow: bool) -> int:
        assert not follow
        sent.append((run.path, mode))
        return next(statuses)

    monkeypatch.setattr("cityseg.jobs.track", track)
    names = [str(run.path) for run in runs[:2]]
    assert main(["jobs", "export", *names, "--to", "wandb"]) == 2
    assert sent == [(run.path, "online") for run in runs[:2]]
    assert main(["jobs", "export", *names, "--to", "wandb"]) == 0
    assert main(["jobs", "export", *names, "--to", "wandb", "--out", "x"]) == 1
    assert "--out goes with --to csv, parquet or tensorboard" in capfd.readouterr().err
