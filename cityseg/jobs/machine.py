"""The interface of a place where jobs run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cityseg.config import TrainConfig
from cityseg.jobs.state import JobState
from cityseg.runs import RunDir
from cityseg.system import Lock


class Machine(Protocol):
    """Where jobs run: a `LocalMachine` or a `PlacedMachine`. The run folder is shared with it."""

    def check(self, config: TrainConfig, stores: Path) -> None:
        """Raise CitysegError for what would end a new training of `config` before its first step.

        `stores` is the folder of its frame stores. Creates nothing.
        """

    def check_resume(self, run: RunDir, config: TrainConfig) -> None:
        """Raise CitysegError for what would end `run`, resumed with `config`, before a step."""

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        """Have the run trained, in its turn or `now`.

        The caller holds the run's `lock` and closes it afterwards: hand it on, or leave it to the
        trainer to take it. Raises RunError if the run cannot be submitted.
        """

    def state(self, run: RunDir) -> JobState:
        """What the run is doing; raises ConfigError or RunError if its folder is not readable."""
        ...

    def stop(self, run: RunDir, *, wait: bool) -> None:
        """End the run's job; with `wait`, return when none of its processes is alive."""

    def tail(self, run: RunDir, lines: int) -> list[str]:
        """The last lines of the run's log."""
        ...

    def follow(self, run: RunDir, lines: int) -> Iterator[str]:
        """The last lines of the run's log, then what is added, in pieces, until it has ended."""
        ...
