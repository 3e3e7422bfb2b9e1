"""What submitit runs on the node: a command that may be interrupted and run again."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from waiting import until

from cityseg.places import EXIT_AGAIN
from cityseg.places.slurm_task import SlurmTask

#: Writes that it is ready, and ends with the status that its last argument names at SIGUSR1.
COMMAND = """
import pathlib, signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(int(sys.argv[2])))
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def ending(status: int) -> SlurmTask:
    return SlurmTask(["/bin/sh", "-c", f"exit {status}"])


@pytest.fixture
def requeued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what scontrol was called with; squeue prints what the file `state` has."""
    scripts = {
        "scontrol": f'echo "$@" > {tmp_path}/requeued',
        "squeue": f"cat {tmp_path}/state",
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return tmp_path / "requeued"


@pytest.mark.parametrize("status", [0, 2])
def test_a_command_that_was_done_or_stopped_is_a_success(status: int) -> None:
    ending(status)()


def test_a_command_that_fails_fails_the_job() -> None:
    with pytest.raises(SystemExit, match="3"):
        ending(3)()


def test_an_interrupted_command_is_queued_again_unless_slurm_does_so(requeued: Path) -> None:
    for state, is_requeued in (("COMPLETING", False), ("", False), ("RUNNING", True)):
        requeued.with_name("state").write_text(state)
        with pytest.raises(SystemExit, match=str(EXIT_AGAIN)):
            ending(EXIT_AGAIN)()
        assert requeued.exists() == is_requeued
    assert requeued.read_text() == "requeue 7\n"


def test_the_last_job_of_an_array_is_not_taken_for_the_array(
    requeued: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own id is that of the array."""
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    requeued.with_name("state").write_text("RUNNING")
    with pytest.raises(SystemExit, match=str(EXIT_AGAIN)):
        ending(EXIT_AGAIN)()
    assert requeued.read_text() == "requeue 7_2\n"


@pytest.mark.parametrize(("status", "code"), [(0, 0), (2, 0), (1, 1), (EXIT_AGAIN, None)])
def test_a_checkpoint_queues_the_command_again_if_it_has_more_to_do(
    tmp_path: Path, status: int, code: int | None
) -> None:
    """submitit calls it in a handler of SIGUSR2, while the command is waited for."""
    pytest.importorskip("submitit", reason="The extra slurm is not installed.")
    task = SlurmTask([sys.executable, "-S", "-c", COMMAND, str(tmp_path / "ready"), str(status)])
    found: list[object] = []

    def handle(*_: object) -> None:
        try:
            found.append(task.checkpoint().function.command)
        except SystemExit as ended:
            found.append(ended.code)
        raise TimeoutError

    def signal_when_ready() -> None:
        until((tmp_path / "ready").exists)
        os.kill(os.getpid(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, handle)
    thread = threading.Thread(target=signal_when_ready)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            task()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR2, before)
        assert task._process
        task._process.wait()  # on a node, this process exits here
    assert found == [task.command if code is None else code]
