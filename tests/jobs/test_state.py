"""States of run folders after crashes, with other processes' pids, and with other clocks."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import child
import pytest
from metric_rows import epoch_row, train_row
from waiting import until

from cityseg.config import make_config
from cityseg.errors import ConfigError, RunError
from cityseg.jobs import JobState, state
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.system.processes import Process

CONFIG = make_config({"device": "cpu", "epochs": 4, "batch_size": 2})


@pytest.fixture
def run(runs: Path) -> RunDir:
    made = RunDir.create(runs, CONFIG)
    made.begin_attempt()
    return made


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none."""

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def stranger() -> Iterator[Process]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.of(process.pid)
        assert found
        yield found
        process.kill()


# Whether a process is at work


def test_a_run_without_a_process_and_without_a_result_is_lost(run: RunDir) -> None:
    found = state(run)
    assert (found.phase, found.reason, found.can_resume) == ("lost", "unstarted", True)
    assert "resume it" in found.hint
    run.begin_attempt()
    write_json(run.trainer_file, {})
    found = state(run)
    assert (found.phase, found.reason, found.can_resume) == ("lost", "lost", True)
    assert "from its last checkpoint if it has one" in found.hint


def test_another_process_with_the_pid_does_not_count(run: RunDir, stranger: Process) -> None:
    forged = stranger.to_json() | {"start_ticks": stranger.start_ticks - 1}
    write_json(run.trainer_file, forged)
    write_json(run.supervisor_file, forged)
    assert state(run).phase == "lost"


@pytest.mark.usefixtures("without_locks")
def test_without_locks_too_another_process_with_the_pid_does_not_count(
    run: RunDir, stranger: Process
) -> None:
    write_json(run.trainer_file, stranger.to_json())
    assert state(run).is_live
    write_json(run.trainer_file, stranger.to_json() | {"start_ticks": stranger.start_ticks - 1})
    assert state(run).phase == "lost"
    write_json(run.trainer_file, stranger.to_json() | {"boot_id": "before"})
    assert state(run).phase == "lost"


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_process_of_another_machine_counts_as_alive(
    run: RunDir, stranger: Process
) -> None:
    elsewhere = {"hostname": "far-away", "boot_id": "another"}
    write_json(run.trainer_file, stranger.to_json() | elsewhere)
    assert state(run).is_live
    with pytest.raises(RunError, match="is being trained by another process"), run.locked():
        pass


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_run_is_held_by_one_living_process(run: RunDir, stranger: Process) -> None:
    with run.locked():
        write_json(run.trainer_file, stranger.to_json())
    with pytest.raises(RunError, match="is being trained by another process"), run.locked():
        pass


def test_a_zombie_does_not_count(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    zombie = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = Process.of(zombie.pid)
    assert found
    write_json(run.trainer_file, found.to_json())
    assert found.is_alive()
    zombie.kill()
    until(lambda: not found.is_alive())
    assert Path(f"/proc/{zombie.pid}").exists()  # nobody waited for it yet
    monkeypatch.setattr(RunDir, "is_locked", RunDir._process_lives)
    assert state(run).phase == "lost"
    zombie.communicate()


# Clocks


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("is_locked", [True, False], ids=["at work", "lost"])
def test_no_clock_changes_a_state(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, hours: int, is_locked: bool
) -> None:
    run.append_metrics(train_row(1, 10, 5.0))
    write_json(run.progress_file, {"stage": "training"})
    lock = run.locked() if is_locked else None
    before = state(run)
    assert before.phase == ("running" if is_locked else "lost")
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600 * hours)
    for path in run.path.rglob("*"):
        os.utime(path, (clock() + 3600 * hours,) * 2)
    assert state(run) == before
    if lock:
        lock.close()


# What a live run is doing


def test_a_run_is_starting_until_its_first_rows(run: RunDir) -> None:
    run.append_metrics(train_row(1, 10, 5.0))  # of an attempt before
    with run.locked():
        assert (state(run).phase, state(run).text) == ("starting", "starting")
        write_json(run.progress_file, {"stage": "decoding frames", "done": 3, "total": 7})
        assert (state(run).phase, state(run).text) == ("starting", "decoding frames 3 of 7")
        write_json(run.progress_file, {"stage": "training"})
        assert (state(run).phase, state(run).text) == ("running", "epoch 1 of 4, step 10 of 50")
        write_json(run.stop_file, {})
        assert state(run).phase == "stopping"
    assert state(run).phase == "stopped"


def test_after_the_last_step_of_an_epoch_a_run_is_validating(run: RunDir) -> None:
    run.append_metrics(train_row(2, 50, 5.0))
    write_json(run.progress_file, {"stage": "training"})
    with run.locked():
        assert state(run).text == "epoch 2 of 4, validating"
        run.append_metrics(epoch_row(2, 6.0))
        assert state(run).text == "epoch 3 of 4, step 0 of 50"


@pytest.mark.parametrize("torn", [b"{", b'{"kind": "tr', b"\0\0\0\n", b"[1]\n"])
def test_an_incomplete_last_row_is_ignored(run: RunDir, torn: bytes) -> None:
    run.append_metrics(train_row(1, 10, 5.0))
    with run.metrics_file.open("ab") as file:
        file.write(torn)
    assert state(run).progress.total_steps == 10


# How a run ended


def test_the_state_of_a_run_that_is_done_comes_from_its_summary(run: RunDir) -> None:
    scores = {"mean_iou": 0.5, "best_epoch": 3, "epochs": 4, "steps": 200, "seconds": 60.0}
    write_json(run.summary_file, {"status": "done", **scores})
    found = state(run)
    assert (found.phase, found.mean_iou, found.best_epoch) == ("done", 0.5, 3)
    assert (found.progress.epochs_done, found.progress.total_steps) == (4, 200)
    assert not found.can_resume


def test_a_failure_has_a_reason_a_hint_and_its_progress(run: RunDir) -> None:
    run.append_metrics(epoch_row(2, 20.0))
    words = {"reason": "nan_loss", "detail": "the loss is no number", "hint": "smaller steps"}
    write_json(run.summary_file, {"status": "failed", **words})
    found = state(run)
    assert found == JobState("failed", 4, found.progress, **words)
    assert found.progress.epochs_done == 2
    assert found.progress.seconds_left is None
    assert found.text == "the loss is no number"


def test_a_summary_that_replaces_another_is_seen_at_once(run: RunDir) -> None:
    for status in ("failed", "stopped", "failed"):
        write_json(run.summary_file, {"status": status})
        assert state(run).phase == status


# Folders that are no runs, or broken ones


def test_an_empty_folder_is_no_run(runs: Path) -> None:
    (runs / "empty").mkdir(parents=True)
    with pytest.raises(RunError, match=r"is no run, as it has no config\.json"):
        state(RunDir(runs / "empty"))


@pytest.mark.parametrize("content", ["[]", "7", '{"epochs": 0}', "\0"])
def test_damaged_settings_are_a_config_error(run: RunDir, content: str) -> None:
    run.config_file.write_text(content)
    with pytest.raises(ConfigError):
        state(run)


@pytest.mark.parametrize("content", ["[]", "7", '{"status": 1}', "\0", "{"])
def test_a_damaged_summary_counts_as_none(run: RunDir, content: str) -> None:
    run.summary_file.write_text(content)
    assert state(run).phase == "lost"


def test_jobs_are_watched_without_torch() -> None:
    code = "import cityseg.jobs, cityseg.jobs.supervise, sys; print('torch' in sys.modules)"
    assert child.output(code) == "False\n"
