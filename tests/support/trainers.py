"""Processes that train as `python -m cityseg.train --run` does, and begin at once."""

from pathlib import Path

import forks
from job_runs import kill

from cityseg.runs.folder import RunDir
from cityseg.system.processes import Process

_TRAIN = "import sys; from cityseg.train import main; sys.exit(main(['--run', sys.argv[1]]))"


def limited(resource: str, size: object) -> str:
    """Code that limits a resource of its process, such as RLIMIT_FSIZE; `size` may be code."""
    return f"import resource; resource.setrlimit(resource.{resource}, ({size}, {size}))\n"


def start_trainer(run: RunDir, output: Path | None = None, first: str = "") -> forks.Fork:
    """A process that does `first` and then trains `run`, which is no job."""
    return forks.fork(forks.TRAINING, first + _TRAIN, run.path, output=output)


class Trainers:
    """Starts trainers, and kills them all."""

    def __init__(self) -> None:
        self._started: list[Process] = []

    def start(self, run: RunDir, first: str = "") -> Process:
        process = Process.of(start_trainer(run, first=first).pid)
        assert process
        self._started.append(process)
        return process

    def kill_all(self) -> None:
        """Kill all that are alive."""
        for process in self._started:
            kill(process)
        self._started.clear()
