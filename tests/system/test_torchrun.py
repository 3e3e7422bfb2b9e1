"""The place of a process in a group, and its end with the process that has started it."""

import os
import signal
import subprocess
import sys

import child
import pytest
from waiting import until

from cityseg.system.processes import Process
from cityseg.system.torchrun import (
    Rank,
    has_launcher,
    is_started_by_torchrun,
    processes_here,
    torchrun_command,
    torchrun_environment,
)

GROUP = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def test_the_place_is_that_of_torchruns_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GROUP | {"TORCHELASTIC_RUN_ID": "none"}).items():
        monkeypatch.setenv(name, value)
    assert Rank.this() == Rank(3, 4, 1)
    assert processes_here() == 2
    assert is_started_by_torchrun()
    assert not has_launcher()
    assert not Rank.this().is_first
    assert not Rank.this().is_alone


def test_variables_of_a_scheduler_alone_mean_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    for name, value in GROUP.items():
        monkeypatch.setenv(name, value)
    assert Rank.this() == Rank()
    assert processes_here() == 1
    assert Rank().is_first
    assert Rank().is_alone
    assert not is_started_by_torchrun()


def test_threads_that_someone_has_chosen_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert torchrun_environment(1)["OMP_NUM_THREADS"] == "3"
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert torchrun_environment(2)["OMP_NUM_THREADS"] == "2"
    assert torchrun_environment(0)["OMP_NUM_THREADS"] == "1"


def test_a_process_ends_with_the_one_that_started_it() -> None:
    inner = (
        "import time; from cityseg.system import end_with_parent; end_with_parent();"
        "print('ready', flush=True); time.sleep(1000)"
    )
    outer = (
        "import subprocess, sys;"
        "inner = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE);"
        "inner.stdout.readline(); print(inner.pid, flush=True); sys.stdin.read()"
    )
    with child.start(outer, inner) as process:
        assert process.stdout
        found = Process.of(int(process.stdout.readline()))
        assert found
        process.send_signal(signal.SIGKILL)
    until(lambda: not found.is_alive())


def test_torchrun_whose_starter_has_ended_does_not_begin() -> None:
    command = torchrun_command(1, "no_such_module")
    environment = child.environment() | torchrun_environment(1)
    environment["CITYSEG_LAUNCHER"] = str(os.getpid() + 1)  # not the one that starts it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    assert command[0] == sys.executable
