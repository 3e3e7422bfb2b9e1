"""Stopping jobs, whatever their processes do."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from job_runs import (
    ended,
    finish,
    machine,
    reaches,
    start_stand_in,
    survivors,
    trainer_of,
)
from waiting import until

from cityseg.errors import RunError
from cityseg.jobs import resume, state, stop, stopping
from cityseg.system.files import read_json
from cityseg.system.processes import Process


def test_a_stop_returns_when_no_process_is_alive(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stop(run)
    assert state(run).phase == "stopped"
    assert not survivors(queues)


def test_a_trainer_that_ignores_signals_is_killed_with_all_others(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs, "stubborn")
    reaches(run, "running")
    child = Process.of(int((run.path / "child").read_text()))
    assert child
    stop(run, machine=machine(ask=0.3, terminate=0.3))
    assert state(run).phase == "stopped"
    assert not child.is_alive()
    assert not survivors(queues)


def test_detached_processes_of_a_stopped_trainer_are_ended(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs, "orphaning")
    reaches(run, "running")
    stop(run, machine=machine(terminate=0.3))
    assert read_json(run.summary_file)["status"] == "stopped"
    assert not survivors(queues)


def test_a_run_that_is_resumed_while_its_stop_ends_goes_on(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    wait, resumed = stopping.time.sleep, threading.Event()

    def resume_between_two_looks(seconds: float) -> None:
        if not resumed.is_set():
            resumed.set()
            until(lambda: not run.is_locked())
            resume(run, machine=machine("obedient"))
            reaches(run, "running")
        wait(seconds)

    monkeypatch.setattr(stopping.time, "sleep", resume_between_two_looks)
    stop(run)
    assert resumed.is_set()
    assert state(run).phase == "running"
    finish(run)
    reaches(run, "done")


def test_a_job_that_writes_its_files_while_it_is_stopped_is_ended(
    runs: Path, queues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    trainer_of(run)  # its file is written by another process than its progress
    files = {file: file.read_bytes() for file in (run.supervisor_file, run.trainer_file)}
    for file in files:
        file.unlink()
    wait = stopping.time.sleep

    def write_between_two_looks(seconds: float) -> None:
        while files:
            file, content = files.popitem()
            file.write_bytes(content)
        wait(seconds)

    monkeypatch.setattr(stopping.time, "sleep", write_between_two_looks)
    stop(run)
    assert not files
    assert state(run).phase == "stopped"
    assert not survivors(queues)


def test_a_run_is_stopping_until_its_processes_have_ended(runs: Path) -> None:
    run = start_stand_in(runs, "stubborn")
    reaches(run, "running")
    stopper = threading.Thread(
        target=stop, args=(run,), kwargs={"machine": machine(ask=0.5, terminate=0.1)}
    )
    stopper.start()
    reaches(run, "stopping")
    stopper.join()
    assert state(run).phase == "stopped"


def test_simultaneous_stops_signal_the_trainer_once(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stoppers = [threading.Thread(target=stop, args=(run,)) for _ in range(3)]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()
    assert read_json(run.summary_file) == {"status": "stopped"}  # a second signal would kill it


def test_stopping_a_run_that_has_ended_changes_nothing(runs: Path) -> None:
    run = start_stand_in(runs, "done")
    assert ended(run).phase == "done"
    stop(run)
    assert state(run).phase == "done"
    assert not run.stop_file.exists()


def test_a_process_that_got_the_pid_of_a_trainer_is_not_signalled(runs: Path) -> None:
    run = start_stand_in(runs, "done")
    ended(run)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        was = Process.of(stranger.pid)
        assert was
        forged = was.to_json() | {"start_ticks": was.start_ticks - 1}
        run.trainer_file.write_text(json.dumps(forged))
        with run.locked(), pytest.raises(RunError, match="could not be stopped"):
            stop(run, machine=machine(ask=0.2, terminate=0.2, kill=0.2))
        assert stranger.poll() is None
        stranger.kill()
