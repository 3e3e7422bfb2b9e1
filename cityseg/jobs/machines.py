"""The machine of a name, and that of a run: where it was submitted to."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from cityseg.errors import ConfigError, PlaceError
from cityseg.jobs.local import LocalMachine
from cityseg.jobs.machine import Machine
from cityseg.jobs.placed import PlacedMachine, placement_of
from cityseg.places import LOCAL, Report, Work, engine_at, settings_file
from cityseg.runs import RunDir

THIS_MACHINE: Final = LocalMachine()

_Stamp = tuple[Path, int]
_known: Final[dict[str, tuple[_Stamp, Machine]]] = {}
_lock: Final = threading.Lock()


def machine_at(place: str) -> Machine:
    """The machine of `place`: "local", "slurm" or "ray"; raises ConfigError without settings.

    The same one while places.toml is unchanged: it keeps for a moment what the cluster answered.
    """
    if place == LOCAL:
        return THIS_MACHINE
    file = settings_file()
    try:
        stamp = (file, file.stat().st_mtime_ns)
    except OSError:
        stamp = (file, 0)
    with _lock:
        known = _known.get(place)
        if known is None or known[0] != stamp:
            known = _known[place] = stamp, PlacedMachine(engine_at(place))
    return known[1]


def machine_of(run: RunDir) -> Machine:
    """The machine that `run` was submitted to; raises OSError if that cannot be read."""
    placed = placement_of(run)
    if placed is None:
        return THIS_MACHINE
    try:
        return machine_at(placed.place)
    except ConfigError as error:
        return PlacedMachine(_Unknown(placed.place, str(error)))


class _Unknown:
    """A cluster that is not configured any more: nothing is known of its jobs."""

    has_arrays = False

    def __init__(self, name: str, problem: str) -> None:
        self.name, self._problem = name, problem

    def check(self) -> None:
        raise PlaceError(self._problem)

    def submit(self, work: Work) -> str:
        raise PlaceError(self._problem)

    def submit_array(self, name: str, works: Sequence[Work], at_once: int) -> Iterator[str]:
        raise PlaceError(self._problem)

    def reports(self) -> Mapping[str, Report]:
        raise PlaceError(self._problem)

    def past(self, job: str) -> Report | None:
        raise PlaceError(self._problem)

    def cancel(self, *jobs: str) -> None:
        raise PlaceError(self._problem)

    def output(self, job: str, folder: Path) -> str:
        return ""
