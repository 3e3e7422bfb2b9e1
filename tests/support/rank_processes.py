"""Processes that train together, forked instead of started by torchrun, which takes seconds."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import forks
from child import REPOSITORY
from torch import distributed

#: What each process does, with the arguments of `start_ranks` in `sys.argv`.
TRAIN = "import sys; from cityseg.train import main; sys.exit(main(['--run', sys.argv[1]]))"

_SUPPORT = str(Path(__file__).parent)


def each_step(action: str) -> str:
    """Code that trains with `action`, an expression that has the count of steps as `n`.

    It stands for what asks in each step whether to stop.
    """
    return f"""
import itertools, os, signal, sys
from cityseg.errors import TrainingError
from cityseg.runs.folder import RunDir
from cityseg.training import train
from pathlib import Path

def fail():
    raise TrainingError("out_of_memory", "There was not enough memory", "buy some")

counter = itertools.count(1)
train(RunDir(Path(sys.argv[1])), should_stop=lambda: bool([({action}) for n in [next(counter)]][0]))
"""


@contextmanager
def start_ranks(
    codes: Sequence[str], *arguments: object, **variables: str
) -> Iterator[list[forks.Fork]]:
    """A process for each of `codes`, the first rank first; those that are left are killed."""
    kind: Any = distributed.TCPStore  # type: ignore[attr-defined]
    # It has a free port, and outlives the ranks, as that of torchrun.
    store = kind("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(300))
    common = {
        "TORCHELASTIC_RUN_ID": "of a test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(len(codes)),
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), _SUPPORT)),
        **variables,
    }
    processes = [
        forks.fork(
            forks.TRAINING,
            code,
            *arguments,
            variables={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank, code in enumerate(codes)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def wait_for_all(processes: Sequence[forks.Fork]) -> list[int]:
    """Their exit statuses."""
    return [process.wait() for process in processes]


def train_in_ranks(run: Path, world: int = 2) -> None:
    """Train a run to its end."""
    with start_ranks([TRAIN] * world, run) as processes:
        statuses = wait_for_all(processes)
        assert statuses == [0] * world, [process.errors.read_text() for process in processes]
