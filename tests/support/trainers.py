"""Processes that train: forks of one that has imported torch, which takes seconds."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from job_runs import kill

from cityseg.runs.folder import RunDir
from cityseg.system.processes import Process

_FORKING = """
import os, signal, sys
import torch
import cityseg.training.loop
from cityseg.train import main

parameter = torch.nn.Parameter(torch.zeros(1))
parameter.grad = torch.zeros(1)
torch.optim.Adam([parameter]).step()  # imports half of torch, and starts no thread
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that no zombies stay
print("ready", flush=True)
for line in sys.stdin:
    if pid := os.fork():
        print(pid, flush=True)
    else:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run, os.environ["CITYSEG_QUEUE"] = line.rstrip("\\n").split("\\t")
        os._exit(main(["--run", run]))
"""


class Trainers:
    """Starts processes that train as `python -m cityseg.train --run` does."""

    def __init__(self, origin: "subprocess.Popen[str]") -> None:
        self._origin = origin
        self._started: list[Process] = []

    def start(self, run: RunDir) -> Process:
        """A new process that trains `run`, which is no job."""
        assert self._origin.stdin
        assert self._origin.stdout
        print(run.path, os.environ["CITYSEG_QUEUE"], sep="\t", file=self._origin.stdin, flush=True)
        process = Process.of(int(self._origin.stdout.readline()))
        assert process
        self._started.append(process)
        return process

    def kill_all(self) -> None:
        """Kill all that are alive."""
        for process in self._started:
            kill(process)
        self._started.clear()


@contextmanager
def trainers() -> Iterator[Trainers]:
    origin = subprocess.Popen(
        [sys.executable, "-c", _FORKING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    with origin:
        assert origin.stdout
        assert origin.stdout.readline() == "ready\n"
        yield Trainers(origin)
