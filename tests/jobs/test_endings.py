"""How real trainings end: starved, broken, killed, stopped at every stage; the queue continues.

Mirrors no module: it ends whole trainings in every way.
"""

import json
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from job_runs import reaches, start_stand_in, survivors, trainer_of
from tiny_runs import make_run, tiny_config
from trainers import Trainers, limited
from waiting import until

from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import RunError
from cityseg.jobs import resume, start, state, stop, tail
from cityseg.runs.checkpoints import load_state
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train


def begun_run(data: Path, **settings: object) -> RunDir:
    """A run that was stopped after its first epoch."""
    run = make_run(data, **settings)
    train(run, should_stop=lambda: bool(run.metrics()))
    return run


def change_settings(run: RunDir, **settings: object) -> None:
    values = json.loads(run.config_file.read_text())
    run.config_file.write_text(json.dumps(values | settings))


def steps_of(run: RunDir) -> int:
    saved = load_state(run)
    assert saved
    return int(saved["position"]["total_steps"])


def assert_failed(run: RunDir, reason: str, hint: str) -> None:
    reaches(run, "failed")
    assert state(run).reason == reason
    assert hint in state(run).hint


# The cause is named, and the queue continues


def inode(path: Path) -> int | None:
    """Of a file that is missing for an instant while another one takes its name."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def test_a_full_disk_fails_a_run_with_a_hint(data: Path, runs: Path, by_hand: Trainers) -> None:
    run = make_run(data, epochs=10_000, batch_size=1)
    by_hand.start(run)
    reaches(run, "running")
    waiting = start_stand_in(runs, "done")
    until(run.last.exists)
    saved = steps_of(run)
    assert state(waiting).phase == "queued"
    (run.path / "full").symlink_to("/dev/full")
    # Just after a save, so that a row comes next: /dev/full can be written to, but not synced.
    before = inode(run.last)
    until(lambda: inode(run.last) not in (None, before))
    rows = run.metrics_file.read_bytes()
    (run.path / "full").replace(run.metrics_file)  # in one step: the trainer would create it again
    until(run.summary_file.exists)
    (run.path / "rows").write_bytes(rows)
    (run.path / "rows").replace(run.metrics_file)  # no state is read from a device
    assert_failed(run, "disk_full", "free some space and resume")
    assert steps_of(run) >= saved
    reaches(waiting, "done")


def test_too_little_memory_fails_a_run_with_a_hint(
    data: Path, runs: Path, by_hand: Trainers
) -> None:
    run = begun_run(data, epochs=2)
    saved = steps_of(run)
    change_settings(run, batch_size=16, crop="4096x4096", scale_max=2)
    limit = "psutil.Process().memory_info().vms + 700_000_000"
    by_hand.start(run, "import psutil\n" + limited("RLIMIT_AS", limit))
    waiting = start_stand_in(runs, "done")
    assert_failed(run, "out_of_memory", "smaller batch_size")
    assert steps_of(run) >= saved
    reaches(waiting, "done")


def test_a_loss_that_is_no_number_fails_a_run_with_a_hint(
    data: Path, runs: Path, by_hand: Trainers
) -> None:
    run = begun_run(data, optimizer="sgd", weight_decay=1, epochs=50)
    change_settings(run, learning_rate=10)
    by_hand.start(run)
    waiting = start_stand_in(runs, "done")
    assert_failed(run, "nan_loss", "smaller learning rate")
    assert steps_of(run) >= 5
    reaches(waiting, "done")


def test_missing_data_fails_a_run_with_a_hint(
    data: Path, tmp_path: Path, by_hand: Trainers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATASET_VARIABLE, raising=False)
    run = make_run(data)
    change_settings(run, data=str(tmp_path / "none"))
    by_hand.start(run)
    assert_failed(run, "bad_input", "remove the cause and resume")
    assert str(tmp_path / "none") in state(run).detail


def test_a_killed_job_is_resumed_and_ended_by_a_full_disk(data: Path, runs: Path) -> None:
    run = start(tiny_config(data, epochs=10_000), runs)
    until(run.last.exists)
    trainer_of(run).send(signal.SIGKILL)
    assert_failed(run, "killed", "resume it")
    saved, before = steps_of(run), inode(run.last)
    resume(run)
    waiting = start_stand_in(runs, "done")
    until(lambda: inode(run.last) not in (None, before) and steps_of(run) > saved)
    saved, trainer = steps_of(run), trainer_of(run)
    resource.prlimit(trainer.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    assert_failed(run, "disk_full", "free some space and resume")
    assert steps_of(run) >= saved
    assert [line for line in tail(run) if "Resumed in epoch" in line]
    reaches(waiting, "done")


# Stopped at every stage


def test_a_run_can_be_stopped_while_it_starts(data: Path, runs: Path, queues: Path) -> None:
    run = start(tiny_config(data, epochs=10_000), runs)
    trainer_of(run)
    assert state(run).phase == "starting"
    stop(run)
    assert state(run).phase == "stopped"
    assert not survivors(queues)


def is_saving(run: RunDir) -> bool:
    return any(run.checkpoints.glob(".*.part"))


@pytest.mark.parametrize(
    "is_reached",
    [
        lambda run: state(run).phase == "running",
        lambda run: state(run).phase == "running" and state(run).progress.is_validating,
        is_saving,
    ],
    ids=["training", "validating", "saving"],
)
def test_a_run_can_be_stopped_while_it_is(
    data: Path, by_hand: Trainers, is_reached: Callable[[RunDir], bool]
) -> None:
    run = make_run(data, epochs=10_000, checkpoint_minutes=1e-9)
    trainer = by_hand.start(run)
    until(lambda: is_reached(run))
    stop(run)
    assert not trainer.is_alive()
    assert state(run).phase == "stopped"
    assert steps_of(run) == state(run).progress.total_steps


# Started by hand


def test_a_run_started_by_hand_has_a_state_a_lock_and_a_place_in_the_queue(
    data: Path, runs: Path, by_hand: Trainers
) -> None:
    run = make_run(data, epochs=10_000)
    by_hand.start(run)
    reaches(run, "running")
    waiting = start_stand_in(runs, "done")
    assert (state(waiting).phase, state(waiting).position) == ("queued", 1)
    with pytest.raises(RunError, match="is being trained by another process"):
        resume(run)
    stop(run)
    assert state(run).phase == "stopped"
    reaches(waiting, "done")
