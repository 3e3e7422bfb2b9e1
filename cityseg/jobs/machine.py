"""What a place where jobs run has to offer."""

from collections.abc import Iterator
from typing import Protocol

from cityseg.jobs.state import JobState
from cityseg.runs import RunDir
from cityseg.system import Lock


class Machine(Protocol):
    """Where jobs run; `LocalMachine` is this machine. The run folder is shared with it."""

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        """See to it that the run is trained, in its turn or `now`.

        The caller holds the run's `lock` and lets go afterwards: hand it on, or leave it to the
        trainer to take it. Raises RunError if that is not possible.
        """

    def state(self, run: RunDir) -> JobState:
        """What the run is doing; raises ConfigError or RunError if its folder cannot say."""
        ...

    def stop(self, run: RunDir, *, wait: bool) -> None:
        """End the run's job; with `wait`, return when no process of it lives."""

    def tail(self, run: RunDir, lines: int) -> list[str]:
        """The last lines of the run's log."""
        ...

    def follow(self, run: RunDir, lines: int) -> Iterator[str]:
        """The last lines of the run's log, then what is added, in pieces, until it has ended."""
        ...
