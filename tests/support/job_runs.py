"""Jobs for tests: a stand-in for the trainer that starts at once, and functions that wait."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from waiting import until

from cityseg.config import make_config
from cityseg.jobs import Graces, JobState, LocalMachine, start, state
from cityseg.runs.folder import RunDir
from cityseg.system.files import read_json
from cityseg.system.processes import Process, pids_with_variable

STAND_IN = Path(__file__).parent / "stand_in.py"


def machine(behaviour: str = "obedient", **graces: float) -> LocalMachine:
    """This machine with a trainer that needs no torch; see stand_in.py for its behaviours."""
    command = (sys.executable, "-S", "-E", str(STAND_IN), behaviour)
    return LocalMachine(command, Graces(**graces), checks_data=False)


def start_stand_in(runs: Path, behaviour: str = "obedient", **settings: Any) -> RunDir:
    """A job on the CPU, unless `settings` name another device."""
    options = {name: settings.pop(name) for name in ("now", "click") if name in settings}
    config = make_config({"device": "cpu", "data": runs.parent} | settings)
    return start(config, runs, machine=machine(behaviour), **options)


def finish(run: RunDir) -> None:
    """Let the obedient stand-in of `run` end as done."""
    (run.path / "finish").touch()


def ended(run: RunDir) -> JobState:
    """The state of `run` once its job has ended."""
    until(lambda: not state(run).is_live)
    return state(run)


def finished(run: RunDir) -> JobState:
    """Let the obedient stand-in of `run` end as done; the state then."""
    finish(run)
    return ended(run)


def reaches(run: RunDir, *phases: str) -> None:
    """Wait until `run` is in one of `phases`."""
    until(lambda: state(run).phase in phases)


def trainer_of(run: RunDir) -> Process:
    """The trainer of `run`, once there is one."""
    found: Process = until(lambda: Process.from_json(read_json(run.trainer_file)))
    return found


def supervisor_of(run: RunDir) -> Process:
    found = Process.from_json(read_json(run.supervisor_file))
    assert found
    return found


def kill(process: Process) -> None:
    """Kill it, and wait until it has ended."""
    process.send(signal.SIGKILL)
    until(lambda: not process.is_alive())


def survivors(queue: Path) -> set[int]:
    """The pids of all processes that were started with this folder for the queues."""
    return pids_with_variable("CITYSEG_QUEUE", str(queue)) - {os.getpid()}
