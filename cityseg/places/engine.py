"""The interface of an engine, which runs commands on the machines of a cluster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

#: Exit status of a command that the engine has interrupted, and that continues when it is run
#: again: EX_TEMPFAIL of sysexits.h.
EXIT_AGAIN: Final = 75

Stage = Literal["waiting", "running", "ended"]


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine says of one job."""

    stage: Stage
    word: str  # the engine's own, such as "PENDING"
    detail: str = ""  # why it waits, or how it ended, to be shown
    reason: str = ""  # a code, of an end that was no success
    position: int | None = None  # while it waits: 1 is the next; None if the engine does not say


@dataclass(frozen=True, slots=True)
class Work:
    """A command for an engine."""

    name: str  # shown in the engine's lists
    command: tuple[str, ...]
    folder: Path  # on a path that all machines share; files of the engine go there
    devices: int = 1  # that the command uses on its node; 0 for one that uses the CPU


class Engine(Protocol):
    """A cluster that runs commands. All methods raise PlaceError if it cannot be asked."""

    @property
    def name(self) -> str:
        """The name of the place: "slurm" or "ray"."""
        ...

    @property
    def has_arrays(self) -> bool:
        """Whether it keeps to `at_once` of `submit_array` by itself."""
        ...

    def check(self) -> None:
        """Raise PlaceError for what keeps `submit` from working that can be found before."""

    def submit(self, work: Work) -> str:
        """Queue a command; returns the id of its job."""
        ...

    def submit_array(self, name: str, works: Sequence[Work], at_once: int) -> Iterator[str]:
        """Queue commands that use as many devices each; gives the ids of their jobs, in order.

        An engine with arrays lists them as `name`, and runs `at_once` of them at the same time. One
        without submits each as the one before was taken.
        """
        ...

    def reports(self) -> Mapping[str, Report]:
        """The jobs that it lists, by their ids: those that have ended may be missing."""
        ...

    def past(self, job: str) -> Report | None:
        """How a job that is not listed any more has ended; None if that is not known."""
        ...

    def cancel(self, *jobs: str) -> None:
        """End jobs that have not ended: processes may save their work, then they are killed."""

    def output(self, job: str, folder: Path) -> str:
        """The end of what a job wrote that was submitted with `folder`; empty if there is none."""
        ...
