"""The front door of `cityseg.jobs`, with a stand-in for the trainer: starting and resuming.

Mirrors no module: it tests jobs/__init__.
"""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from job_runs import (
    ended,
    finish,
    finished,
    machine,
    reaches,
    start_stand_in,
    survivors,
)
from tiny_runs import content_of
from waiting import until

from cityseg.config import make_config
from cityseg.defaults import RUNS_VARIABLE
from cityseg.errors import CheckpointError, RunError
from cityseg.jobs import list_runs, resume, start, state
from cityseg.jobs.queue import DeviceQueue
from cityseg.runs.folder import RunDir

ROOT = Path(__file__).parents[2]


# Starting


def test_a_started_job_runs_to_its_end_and_leaves_the_queue(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    assert state(run).device == "cpu"
    assert finished(run).phase == "done"
    until(lambda: not DeviceQueue(queues / "cpu").places())
    until(lambda: not survivors(queues))


def test_runs_are_kept_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "mine"))
    run = start(make_config({"device": "cpu", "data": tmp_path}), machine=machine())
    assert run.path.parent == tmp_path / "mine"
    assert [entry.id for entry in list_runs()] == [run.id]
    assert finished(run).phase == "done"


def test_a_run_is_locked_from_before_it_can_be_seen_to_its_end(runs: Path) -> None:
    phases: list[set[str]] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            phases.append({each.state.phase for each in list_runs(runs) if each.state})

    watcher = threading.Thread(target=watch)
    watcher.start()
    run = start_stand_in(runs)
    reaches(run, "running")
    finished(run)
    is_over.set()
    watcher.join()
    assert set().union(*phases) <= {"queued", "starting", "running", "done"}


def test_a_start_where_nothing_can_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file cannot be written \(Not a directory\)"):
        start_stand_in(tmp_path / "file")


# Clicks


def test_simultaneous_clicks_start_one_run(runs: Path) -> None:
    found: list[RunDir] = []
    clicks = [
        threading.Thread(target=lambda: found.append(start_stand_in(runs, click="form 1 <>/..")))
        for _ in range(4)
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert len({run.path for run in found}) == 1
    assert len(list_runs(runs)) == 1
    finished(found[0])
    assert start_stand_in(runs, click="form 1 <>/..").path == found[0].path
    assert state(found[0]).phase == "done"


def test_other_settings_or_another_click_start_another_run(runs: Path) -> None:
    found = [
        start_stand_in(runs, "done", **settings)
        for settings in ({"click": "1"}, {"click": "1", "seed": 2}, {"click": "2"}, {}, {})
    ]
    assert len({run.path for run in found}) == 5
    for run in found:
        assert ended(run).phase == "done"


def test_a_click_whose_starter_was_killed_is_started_by_the_next_one(runs: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from cityseg.config import make_config\n"
        "from cityseg.jobs import LocalMachine, start\n"
        "class Dying(LocalMachine):\n"
        "    def submit(self, run, lock, *, now): os.kill(os.getpid(), signal.SIGKILL)\n"
        "runs = Path(sys.argv[1])\n"
        "config = make_config({'device': 'cpu', 'data': runs.parent})\n"
        "start(config, runs, click='1', machine=Dying(checks_data=False))"
    )
    done = subprocess.run([sys.executable, "-c", script, runs], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = list_runs(runs)
    assert left.state
    assert left.state.phase == "lost"
    run = start_stand_in(runs, click="1")
    assert run.path == left.run.path
    assert finished(run).phase == "done"


# Resuming


def test_a_run_that_is_done_stays_as_it_is_when_resumed(runs: Path) -> None:
    run = start_stand_in(runs)
    finished(run)
    before = content_of(run.path)
    assert not resume(run, machine=machine())
    assert content_of(run.path) == before
    assert state(run).phase == "done"


def test_a_run_with_results_but_no_state_is_not_resumed_and_stays_as_it_is(runs: Path) -> None:
    run = RunDir.create(runs, make_config({"device": "cpu", "data": runs.parent}))
    run.best.write_bytes(b"weights")
    run.write_summary({"status": "stopped"})
    before = content_of(run.path)
    with pytest.raises(CheckpointError, match="cannot be continued, and was left as it is"):
        resume(run, machine=machine())
    assert content_of(run.path) == before


def test_a_run_with_a_name_of_its_own_is_resumed_and_listed(runs: Path) -> None:
    run = start_stand_in(runs, "done")
    assert ended(run).phase == "done"
    run.summary_file.unlink()
    renamed = RunDir(run.path.rename(runs / "My Run_01.2"))
    assert resume(renamed, machine=machine())
    reaches(renamed, "running")
    assert [entry.id for entry in list_runs(runs) if entry.state] == ["My Run_01.2"]
    assert finished(renamed).phase == "done"


def test_a_queued_run_whose_folder_is_renamed_keeps_its_place(runs: Path) -> None:
    first, second = start_stand_in(runs), start_stand_in(runs)
    reaches(first, "running")
    reaches(second, "queued")
    renamed = RunDir(second.path.rename(runs / "mine"))
    assert state(renamed).position == 1
    finish(first)
    reaches(renamed, "running")
    finish(renamed)
    reaches(renamed, "done")


def test_what_is_in_use_or_is_no_run_is_not_resumed(runs: Path, tmp_path: Path) -> None:
    run = start_stand_in(runs)
    with pytest.raises(RunError, match="is being trained by another process"):
        resume(run, machine=machine())
    finished(run)
    with pytest.raises(RunError, match="is no run"):
        resume(RunDir(tmp_path), machine=machine())
