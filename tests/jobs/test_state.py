"""States of run folders as crashes, strangers and clocks leave them.

Also tests: jobs/listing, jobs/progress.
"""

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import child
import pytest
from job_runs import until

from cityseg.config import make_config
from cityseg.errors import CitysegError, ConfigError, RunError
from cityseg.jobs import JobState, list_runs, state
from cityseg.jobs.progress import progress_from_rows, progress_of
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


def train_row(epoch: int, step: int, seconds: float, steps: int = 50) -> dict[str, Any]:
    numbers = {"epoch": epoch, "step": step, "steps": steps, "seconds": seconds}
    return {"kind": "train", "loss": 1.0, "learning_rate": 0.1} | numbers


def epoch_row(epoch: int, seconds: float, steps: int = 50) -> dict[str, Any]:
    return {"kind": "epoch", "epoch": epoch, "step": epoch * steps, "seconds": seconds}


# Whether somebody is at work


def test_a_run_that_nobody_works_on_and_has_no_result_is_lost(run: RunDir) -> None:
    found = state(run)
    assert (found.phase, found.reason, found.can_resume) == ("lost", "lost", True)
    assert "resume it" in found.hint


def test_a_foreign_process_with_the_pid_is_nobody(run: RunDir, stranger: Process) -> None:
    forged = stranger.to_json() | {"start_ticks": stranger.start_ticks - 1}
    write_json(run.trainer_file, forged)
    write_json(run.supervisor_file, forged)
    assert state(run).phase == "lost"


@pytest.mark.usefixtures("without_locks")
def test_without_locks_too_a_foreign_process_with_the_pid_is_nobody(
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
def test_without_locks_a_run_is_held_once_by_a_process_that_lives(
    run: RunDir, stranger: Process
) -> None:
    with run.locked():
        write_json(run.trainer_file, stranger.to_json())
    with pytest.raises(RunError, match="is being trained by another process"), run.locked():
        pass


def test_a_zombie_is_no_process(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
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


# What a run that is at work is at


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
def test_a_torn_last_row_is_passed_over(run: RunDir, torn: bytes) -> None:
    run.append_metrics(train_row(1, 10, 5.0))
    with run.metrics_file.open("ab") as file:
        file.write(torn)
    assert state(run).progress.total_steps == 10


# Rates


def test_rate_and_time_left_come_from_the_rows() -> None:
    at = progress_from_rows([train_row(1, 10, 2.0), train_row(1, 20, 4.0)], CONFIG)
    assert (at.epoch, at.step, at.steps, at.total_steps) == (1, 20, 50, 20)
    assert at.steps_per_second == 5
    assert at.frames_per_second == 10
    assert at.seconds_left == (200 - 20) / 5  # of validation nothing is known yet


def test_whole_epochs_make_validation_part_of_the_time_left() -> None:
    rows = [train_row(1, 50, 10.0), epoch_row(1, 15.0), train_row(2, 10, 17.0)]
    at = progress_from_rows(rows, CONFIG)
    assert at.steps_per_second == 5
    assert at.seconds_left == 3 * 15.0 - 2.0
    assert at.epochs_done == 1


def test_validation_does_not_slow_the_rate_of_steps() -> None:
    rows = [train_row(1, 40, 8.0), train_row(1, 50, 10.0), epoch_row(1, 100.0)]
    assert progress_from_rows(rows, CONFIG).steps_per_second == 5


def test_a_trained_run_has_no_time_left() -> None:
    at = progress_from_rows([train_row(4, 50, 60.0), epoch_row(4, 62.0)], CONFIG)
    assert (at.epochs_done, at.epoch, at.step, at.steps) == (4, 4, 50, 50)
    assert at.seconds_left == 0


def test_rows_that_begin_in_the_middle_give_what_they_can() -> None:
    at = progress_from_rows([train_row(2, 30, 20.0)], CONFIG)
    assert (at.total_steps, at.steps_per_second, at.seconds_left) == (80, None, None)


def test_ends_of_epochs_are_found_behind_many_rows(run: RunDir) -> None:
    rows = [epoch_row(1, 10.0, 9000), epoch_row(2, 20.0, 9000)]
    rows += [train_row(3, step, 20 + step / 1000, 9000) for step in range(10, 9000, 10)]
    run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run.metrics_file.stat().st_size > 1 << 16
    assert progress_of(run, CONFIG).seconds_left == pytest.approx(2 * 10 - 8.99)


# How it ended


def test_a_result_says_all_there_is_to_say(run: RunDir) -> None:
    scores = {"mean_iou": 0.5, "best_epoch": 3, "epochs": 4, "steps": 200, "seconds": 60.0}
    write_json(run.summary_file, {"status": "done", **scores})
    found = state(run)
    assert (found.phase, found.mean_iou, found.best_epoch) == ("done", 0.5, 3)
    assert (found.progress.epochs_done, found.progress.total_steps) == (4, 200)
    assert not found.can_resume


def test_a_failure_keeps_reason_hint_and_how_far_it_came(run: RunDir) -> None:
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


# Folders that are none


def test_an_empty_folder_says_that_it_is_no_run(runs: Path) -> None:
    (runs / "empty").mkdir(parents=True)
    with pytest.raises(RunError, match=r"is no run, as it has no config\.json"):
        state(RunDir(runs / "empty"))


def test_a_broken_folder_hides_only_itself_and_says_why(runs: Path) -> None:
    good = RunDir.create(runs, CONFIG)
    (runs / "a-empty").mkdir()
    (runs / "z-torn").mkdir()
    (runs / "z-torn" / "config.json").write_text('{"epochs"')
    odd = RunDir.create(runs, CONFIG)
    odd.metrics_file.write_text('{"kind": "train", "epoch": "one"}\n')
    found = {entry.id: entry for entry in list_runs(runs)}
    assert found[good.id].state
    assert "has no config.json" in found["a-empty"].problem
    assert "not a readable configuration" in found["z-torn"].problem
    assert "are not as they were written" in found[odd.id].problem
    assert len(found) == 4


def test_a_folder_that_may_not_be_read_says_so(runs: Path) -> None:
    good, locked = (RunDir.create(runs, CONFIG) for _ in range(2))
    locked.path.chmod(0)
    script = (
        "import sys; from pathlib import Path; from cityseg.jobs import list_runs\n"
        "for entry in list_runs(Path(sys.argv[1])): print(entry.id, entry.problem)"
    )
    said = dict(
        line.split(" ", 1) for line in child.output_obeying_permissions(script, runs).splitlines()
    )
    locked.path.chmod(0o700)
    assert said[good.id] == ""
    assert "Permission denied" in said[locked.id]


@pytest.mark.parametrize("content", ["[]", "7", '{"epochs": 0}', "\0"])
def test_damaged_settings_are_an_error_of_ours(run: RunDir, content: str) -> None:
    run.config_file.write_text(content)
    with pytest.raises(ConfigError):
        state(run)


@pytest.mark.parametrize("content", ["[]", "7", '{"status": 1}', "\0", "{"])
def test_a_damaged_summary_counts_as_none(run: RunDir, content: str) -> None:
    run.summary_file.write_text(content)
    assert state(run).phase == "lost"


# The list


def test_the_newest_run_comes_first_and_hidden_folders_never(runs: Path) -> None:
    for name in ("20250102-000000-a", "20260101-000000-a", ".store", ".x.part"):
        (runs / name).mkdir(parents=True)
    (runs / "file").touch()
    assert [entry.id for entry in list_runs(runs)] == ["20260101-000000-a", "20250102-000000-a"]


def test_a_folder_of_runs_that_is_none_is_an_error_and_a_missing_one_is_empty(runs: Path) -> None:
    assert list_runs(runs) == []
    runs.touch()
    with pytest.raises(CitysegError, match="cannot be listed"):
        list_runs(runs)


def test_looking_at_jobs_needs_no_torch() -> None:
    code = "import cityseg.jobs, cityseg.jobs.supervise, sys; print('torch' in sys.modules)"
    assert child.output(code) == "False\n"
