"""Runs that are being started, in a thread of the server.

Starting takes a second or two. A session's own thread ends with its page: a reload just after the
click would end it before the run exists. This one continues, and every session sees what it does.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from cityseg import jobs
from cityseg.config import TrainConfig
from cityseg.places import LOCAL
from cityseg.runs import RunDir

#: For so long a start that has ended is remembered, so that a late second click is known as one.
_KEPT_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Starting:
    """What one click starts: runs of `configs` in the folder `runs`, several as a group."""

    click: str
    configs: Sequence[TrainConfig]
    runs: Path
    future: "Future[list[RunDir]]"
    group: str = ""
    begun: float = field(default_factory=time.monotonic)

    @property
    def title(self) -> str:
        """The name of the group or the title of the run; empty if it has none."""
        return self.group or self.configs[0].title


_starts: dict[str, Starting] = {}
_lock: Final = Lock()
#: One thread: runs are queued in the order in which they were asked for.
_worker: Final = ThreadPoolExecutor(1, "cityseg-start")


def begin(
    click: str,
    configs: Sequence[TrainConfig],
    runs: Path,
    *,
    now: bool,
    group: str = "",
    place: str = LOCAL,
) -> None:
    """Start a run of each of `configs` at `place`, unless this click is known. Returns at once.

    With a `group` they are its runs, of which none is started twice; see `jobs.start_group`.
    """
    with _lock:
        _forget_old()
        if click not in _starts:
            future = _worker.submit(_start_all, click, configs, runs, now, group, place)
            _starts[click] = Starting(click, configs, runs, future, group)


def find(click: str) -> Starting | None:
    """The start with this id; None if it is not known, or forgotten."""
    with _lock:
        return _starts.get(click)


def pending(runs: Path) -> list[Starting]:
    """The starts in the folder `runs` that have not ended."""
    with _lock:
        return [s for s in _starts.values() if s.runs == runs and not s.future.done()]


def _forget_old() -> None:
    limit = time.monotonic() - _KEPT_SECONDS
    for click, each in list(_starts.items()):
        if each.future.done() and each.begun < limit:
            del _starts[click]


def _start_all(
    click: str, configs: Sequence[TrainConfig], runs: Path, now: bool, group: str, place: str
) -> list[RunDir]:
    machine = jobs.machine_at(place)
    if group:
        return jobs.start_group(group, configs, runs, now=now, machine=machine)
    clicks = [f"{click}-{position}" if position else click for position in range(len(configs))]
    return [
        jobs.start(config, runs, now=now, click=each, machine=machine)
        for each, config in zip(clicks, configs, strict=True)
    ]
