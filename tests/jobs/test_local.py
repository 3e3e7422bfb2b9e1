"""Jobs on this machine: they outlive the process that starts them, and leave nothing in it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from job_runs import (
    finished,
    machine,
    reaches,
    start_stand_in,
    survivors,
    trainer_of,
)
from waiting import until

from cityseg.config import make_config
from cityseg.errors import RunError
from cityseg.jobs import LocalMachine, list_runs, resume, start, state, stop, tail
from cityseg.jobs.queue import DeviceQueue, Ticket
from cityseg.runs.folder import RunDir
from cityseg.system.processes import descendants

ROOT = Path(__file__).parents[2]


def test_the_starter_keeps_no_child(runs: Path) -> None:
    before = descendants({os.getpid()})
    run = start_stand_in(runs)
    assert not descendants({os.getpid()}) - before  # zombies would count
    finished(run)


STARTER = """
import sys; sys.path.insert(0, "tests/support")
from pathlib import Path
from job_runs import start_stand_in
print(start_stand_in(Path(sys.argv[1])).path, flush=True)
sys.stdin.read()
"""


def test_a_job_outlives_its_starter_and_can_be_stopped_by_another_process(runs: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, runs],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with starter:
        assert starter.stdout
        run = RunDir(Path(starter.stdout.readline().strip()))
        os.killpg(starter.pid, signal.SIGKILL)
    reaches(run, "running")
    (run.log_file).write_text("a line\n")
    assert tail(run) == ["a line"]
    stop(run)
    assert state(run).phase == "stopped"


def test_a_title_is_never_a_path_or_an_argument(runs: Path, tmp_path: Path) -> None:
    run = start_stand_in(runs, title="../../up; touch x --now <b>")
    assert run.path.parent == runs
    assert "touch x" not in Path(f"/proc/{trainer_of(run).pid}/cmdline").read_text()
    finished(run)


# Starts that fail


def test_a_start_whose_queue_is_a_link_is_an_error(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "link"))
    with pytest.raises(RunError, match="link is a link or belongs to another user"):
        start_stand_in(runs)


def open_files() -> set[str]:
    """What this process has open, pipes and the like aside."""
    descriptors = os.listdir("/proc/self/fd")
    links = (f"/proc/self/fd/{each}" for each in descriptors)
    return {target for link in links if (target := os.path.realpath(link)).startswith("/")}


def assert_nothing_is_held(runs: Path, queues: Path, open_before: set[str]) -> None:
    """The run can be resumed and the device is free, though this process lives on."""
    assert open_files() <= open_before
    assert not DeviceQueue(queues / "cpu").places()
    (entry,) = list_runs(runs)
    assert entry.state
    assert entry.state.phase == "lost"
    assert resume(entry.run, machine=machine())
    assert finished(entry.run).phase == "done"


def test_a_resume_that_cannot_be_submitted_leaves_the_run_as_it_was(
    runs: Path, queues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stop(run)
    until(lambda: not survivors(queues))
    before = run.config_file.read_bytes(), run.summary_file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setenv("CITYSEG_QUEUE", str(run.config_file))  # a file, which can be no queue
        with pytest.raises(RunError):
            resume(run, {"epochs": 99}, machine=machine())
    assert (run.config_file.read_bytes(), run.summary_file.read_bytes()) == before
    assert state(run).phase == "stopped"


def test_a_start_that_finds_no_queue_keeps_no_lock(
    runs: Path, queues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_start = Ticket.try_start

    def without_queue(ticket: Ticket) -> bool:
        shutil.rmtree(queues)
        return try_start(ticket)

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(Ticket, "try_start", without_queue)
        with pytest.raises(RunError, match="No such file"):
            start_stand_in(runs)
    assert_nothing_is_held(runs, queues, before)


def test_a_start_that_fails_for_any_reason_keeps_no_lock(runs: Path, queues: Path) -> None:
    before = open_files()
    with pytest.raises(ValueError, match="null byte"):
        start(
            make_config({"device": "cpu"}),
            runs,
            machine=LocalMachine(("/bin/x\0",), checks_data=False),
        )
    assert_nothing_is_held(runs, queues, before)
