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
from waiting import PATIENCE_SECONDS

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


def new_store() -> Any:
    """A store on a free port, which outlives the ranks, as that of torchrun."""
    kind: Any = distributed.TCPStore  # type: ignore[attr-defined]
    seconds = timedelta(seconds=PATIENCE_SECONDS)
    return kind("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=seconds)


def group_variables(store: Any, world: int) -> dict[str, str]:
    """What torchrun tells all of its processes."""
    return {
        "TORCHELASTIC_RUN_ID": "of a test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(world),
    }


@contextmanager
def start_ranks(
    codes: Sequence[str], *arguments: object, store: Any = None, **variables: str
) -> Iterator[list[forks.Fork]]:
    """A process for each of `codes`, the first rank first; those that are left are killed."""
    store = store or new_store()
    common = {
        **group_variables(store, len(codes)),
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
