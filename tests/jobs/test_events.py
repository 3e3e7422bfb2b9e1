"""Events in folders of runs that nobody trains: tests write their rows and summaries."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from wandb_world import make_run, write_epoch_row, write_train_row

from cityseg.jobs import events
from cityseg.jobs.events import end_event, live_events, patience_seconds
from cityseg.jobs.state import state_of
from cityseg.runs import RunDir
from cityseg.system import write_json

GIGABYTE = 10**9


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The free bytes of the disk of all runs."""
    free = [100 * GIGABYTE]
    monkeypatch.setattr(events, "free_bytes", lambda folder: free[0])
    return free


def begin(run: RunDir, *, attempt: str = "first") -> RunDir:
    run.begin_attempt()
    write_json(run.trainer_file, {"token": attempt})
    write_json(run.progress_file, {"stage": "training"})
    return run


def train_row(step: int, seconds: float) -> dict[str, Any]:
    return {"kind": "train", "epoch": 1, "step": step, "steps": 100, "seconds": seconds}


def epoch_row(epoch: int, seconds: float) -> dict[str, Any]:
    return {"kind": "epoch", "epoch": epoch, "step": 100 * epoch, "seconds": seconds}


# The end


@pytest.mark.parametrize(
    ("summary", "kind", "text"),
    [
        (
            {"status": "done", "epochs": 10, "mean_iou": 0.41239, "best_epoch": 9},
            "end",
            "has ended: 10 of 10 epochs, best mean IoU 41.2% in epoch 9.",
        ),
        ({"status": "stopped", "epochs": 3}, "end", "was stopped: 3 of 10 epochs."),
        (
            {"status": "failed", "reason": "disk_full", "detail": "No space", "hint": "free some"},
            "crash",
            "has failed after 0 of 10 epochs. No space. What to do: free some.",
        ),
        (
            {"status": "failed", "reason": "nan_loss", "detail": "The loss is no longer a number."},
            "nan",
            "has failed after 0 of 10 epochs. The loss is no longer a number.",
        ),
        (
            None,
            "crash",
            "has failed after 0 of 10 epochs. Its process has ended and left no result. "
            "What to do: resume it, from its last checkpoint if it has one.",
        ),
    ],
)
def test_the_end_of_a_run_is_an_event(
    tmp_path: Path, summary: dict[str, Any] | None, kind: str, text: str
) -> None:
    run = begin(make_run(tmp_path, title="First try"))
    if summary:
        write_json(run.summary_file, summary)
    event = end_event(run, state_of(run))
    assert (event.kind, event.text) == (kind, f"{run.id} (First try) {text}")
    assert event.is_final


def test_a_run_that_never_began_has_not_failed(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    event = end_event(run, state_of(run))
    assert (event.kind, event.is_final) == ("unstarted", True)
    assert event.text == (
        f"{run.id} was not trained. Its process has ended before the training began. "
        "What to do: resume it, which begins at the first epoch."
    )
    write_train_row(run, 10)
    assert end_event(run, state_of(run)).kind == "crash"


def test_each_attempt_ends_once(tmp_path: Path) -> None:
    run = begin(make_run(tmp_path))
    lost = end_event(run, state_of(run))
    write_json(run.summary_file, {"status": "done", "epochs": 10})
    assert end_event(run, state_of(run)).key == lost.key
    begin(run, attempt="second")
    assert end_event(run, state_of(run)).key != lost.key


# No progress


def test_the_pace_is_the_longest_gap_of_training_rows() -> None:
    rows = [train_row(10, 100.0), train_row(20, 300.0), epoch_row(1, 900.0), train_row(10, 1000.0)]
    patience = patience_seconds(rows, is_all=True, is_validating=False)
    assert patience == 5 * 200


def test_a_validation_has_its_own_pace() -> None:
    rows = [train_row(100, 100.0), epoch_row(1, 900.0), train_row(100, 1000.0)]
    assert patience_seconds(rows, is_all=True, is_validating=True) == 5 * 800


def test_the_first_validation_may_take_as_long_as_the_training_before_it() -> None:
    rows = [train_row(step, 7.0 * step) for step in range(10, 101, 10)]
    assert patience_seconds(rows, is_all=True, is_validating=True) == 5 * 700


def test_a_fast_run_is_given_five_minutes() -> None:
    rows = [train_row(10, 1.0), train_row(20, 2.0)]
    assert patience_seconds(rows, is_all=True, is_validating=False) == 300


@pytest.mark.parametrize(
    "rows",
    [[], [train_row(10, 5.0)], [{"kind": "train"}], [train_row(20, 9.0), train_row(10, 5.0)]],
)
def test_without_a_gap_there_is_no_pace(rows: list[dict[str, Any]]) -> None:
    assert patience_seconds(rows, is_all=False, is_validating=False) is None


def test_a_run_without_new_rows_is_stalled_by_its_own_pace(tmp_path: Path) -> None:
    run = begin(make_run(tmp_path))
    with run.locked():
        write_train_row(run, 10)
        write_train_row(run, 90)  # 80 s later
        state = state_of(run)
        assert live_events(run, state, 399.0) == []
        (event,) = live_events(run, state, 400.0)
        assert event.kind == "stalled"
        assert event.text == (
            f"{run.id} makes no progress: nothing new for 0:06:40 (epoch 1 of 10, step 90 of 100), "
            "and at its own pace 0:06:40 would be long. See its log, or stop and resume it."
        )
        write_epoch_row(run)
        (later,) = live_events(run, state_of(run), 4000.0)
        assert later.key != event.key


def test_the_age_of_the_rows_is_that_of_their_file(tmp_path: Path) -> None:
    run = begin(make_run(tmp_path))
    with run.locked():
        assert live_events(run, state_of(run)) == []
        write_train_row(run, 10)
        assert live_events(run, state_of(run)) == []
        old = time.time() - 4000
        os.utime(run.metrics_file, (old, old))
        (event,) = live_events(run, state_of(run))
        assert event.kind == "stalled"


def test_a_run_that_starts_or_stops_is_not_stalled(tmp_path: Path) -> None:
    run = begin(make_run(tmp_path))
    with run.locked():
        write_train_row(run, 10)
        write_json(run.progress_file, {"stage": "decoding frames"})
        assert live_events(run, state_of(run), 1e6) == []
        write_json(run.progress_file, {"stage": "training"})
        run.stop_file.touch()
        assert live_events(run, state_of(run), 1e6) == []


# The disk


def test_a_disk_is_nearly_full_with_less_than_three_training_states(
    tmp_path: Path, disk: list[int]
) -> None:
    run = begin(make_run(tmp_path))
    with run.last.open("wb") as file:
        file.truncate(2 * GIGABYTE)  # takes no space
    with run.locked():
        disk[0] = 6 * GIGABYTE
        assert live_events(run, state_of(run)) == []
        disk[0] -= 1
        (event,) = live_events(run, state_of(run))
    assert (event.kind, event.is_final) == ("disk", False)
    assert event.text == (
        f"The disk of {run.path.parent} is nearly full: 6.0 GB are free, and 6.0 GB should be. "
        "`cityseg clean` lists what can be removed."
    )


def test_half_a_gigabyte_should_always_be_free(tmp_path: Path, disk: list[int]) -> None:
    run = begin(make_run(tmp_path))
    with run.locked():
        disk[0] = 499_999_999
        assert [event.kind for event in live_events(run, state_of(run))] == ["disk"]
