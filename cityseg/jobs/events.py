"""Events of a run that a person who waits for it wants to hear of, found in its folder.

end       trained to its end, or stopped
crash     failed, or its processes are gone without a result
unstarted its processes are gone, and its training had not begun
nan       failed because the loss is no longer a number
stalled   makes no progress for much longer than its own rows say it needs
disk      its disk is nearly full

Each function looks at the folder as it is now. Which events were reported already is known to
`notifier`.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final, Literal

from cityseg.errors import CitysegError
from cityseg.jobs.state import UNSTARTED, JobState, config_of
from cityseg.runs import MetricRow, RunDir, newest_rows
from cityseg.system import free_bytes, read_json
from cityseg.wording import readable_size

EventKind = Literal["end", "crash", "unstarted", "nan", "stalled", "disk"]

#: A run is stalled after so many times its longest gap between two rows, and never earlier than
#: after so many seconds.
_GAPS: Final = 5
_LEAST_SECONDS: Final = 300.0
#: A disk is nearly full with less than so many times the training state, or less than so much.
_STATES: Final = 3
_LEAST_BYTES: Final = 500_000_000
#: How much of the rows the pace comes from, from the end of the file.
_PACE_BYTES: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a run.

    `what` continues a sentence that begins with `name`, that of the run. An event that several runs
    share has no name, and `what` is the sentence.
    """

    kind: EventKind
    key: str  # the same for the same event, whenever it is found
    what: str
    name: str = ""

    @property
    def text(self) -> str:
        """What happened to which run, in sentences."""
        return f"{self.name} {self.what}".strip()

    @property
    def is_final(self) -> bool:
        """Whether it says how the run ended."""
        return self.kind not in ("stalled", "disk")


def end_event(run: RunDir, state: JobState) -> Event:
    """How `run`, which has ended as `state`, ended."""
    done = f"{state.progress.epochs_done} of {state.epochs} epochs"
    if state.mean_iou is not None:
        done += f", best mean IoU {state.mean_iou:.1%} in epoch {state.best_epoch}"
    if state.phase in ("done", "stopped"):
        verb = "has ended" if state.phase == "done" else "was stopped"
        return Event("end", _key(run, "end"), f"{verb}: {done}.", run_name(run))
    is_unstarted = state.reason == UNSTARTED
    verb = "was not trained" if is_unstarted else f"has failed after {done}"
    hint = f" What to do: {state.hint}." if state.hint else ""
    what = f"{verb}. {state.detail.rstrip('.')}.{hint}"
    kind: EventKind = "unstarted" if is_unstarted else "crash"
    # One key for all ends: a run that ended is not reported twice, whatever its summary says later.
    kind = "nan" if state.reason == "nan_loss" else kind
    return Event(kind, _key(run, "end"), what, run_name(run))


def live_events(run: RunDir, state: JobState, idle_seconds: float | None = None) -> list[Event]:
    """What is wrong with `run`, which is live as `state`.

    Its newest row came `idle_seconds` ago; without them, as the file's time says. Raises RunError
    or OSError.
    """
    found = [_disk_event(run)]
    if state.phase == "running":
        found.append(_stalled_event(run, state, idle_seconds))
    return [event for event in found if event]


def run_name(run: RunDir) -> str:
    """What messages call `run`: its id, and its title if it has one."""
    title = ""
    with suppress(CitysegError, OSError):
        title = config_of(run).title
    return f"{run.id} ({title})" if title else run.id


def patience_seconds(
    rows: Sequence[MetricRow], *, is_all: bool, is_validating: bool
) -> float | None:
    """How long no row may come until a run counts as stalled; None if its pace is not known.

    `rows` are its newest, in their order, or `is_all` of them. A validation has a pace of its own.
    Before the first one has ended, it may take as long as the training before it.
    """
    timed = [(row["kind"] == "epoch", float(row["seconds"])) for row in rows if "seconds" in row]
    if is_all:
        timed.insert(0, (False, 0.0))
    gaps = [
        after - before
        for (_, before), (ends_epoch, after) in pairwise(timed)
        if ends_epoch == is_validating and after > before  # a cut file steps back
    ]
    if is_validating and not gaps and timed:
        gaps = [timed[-1][1] - timed[0][1]]
    return max(_GAPS * max(gaps), _LEAST_SECONDS) if gaps else None


def _stalled_event(run: RunDir, state: JobState, idle_seconds: float | None) -> Event | None:
    if idle_seconds is None:
        try:
            idle_seconds = time.time() - run.metrics_file.stat().st_mtime
        except FileNotFoundError:
            return None
    if idle_seconds < _LEAST_SECONDS:
        return None
    rows, is_all = newest_rows(run.metrics_file, _PACE_BYTES)
    at = state.progress
    patience = patience_seconds(rows, is_all=is_all, is_validating=at.is_validating)
    if patience is None or idle_seconds < patience:
        return None
    what = (
        "makes no progress: nothing new for "
        f"{timedelta(seconds=int(idle_seconds))} ({state.text}), and at its own pace "
        f"{timedelta(seconds=int(patience))} would be long. See its log, or stop and resume it."
    )
    key = _key(run, f"stalled {at.total_steps} {at.is_validating}")
    return Event("stalled", key, what, run_name(run))


def _disk_event(run: RunDir) -> Event | None:
    free = free_bytes(run.path)
    needed = _LEAST_BYTES
    with suppress(OSError):
        needed = max(needed, _STATES * run.last.stat().st_size)
    if free >= needed:
        return None
    what = (
        f"The disk of {run.path.parent} is nearly full: {readable_size(free)} are free, "
        f"and {readable_size(needed)} should be. `cityseg clean` lists what can be removed."
    )
    return Event("disk", _key(run, "disk"), what)


def _key(run: RunDir, what: str) -> str:
    """A key of this attempt: a run that is resumed may end once more."""
    files = run.trainer_file, run.supervisor_file
    tokens = (str(read_json(file).get("token", "")) for file in files)
    return f"{next(filter(None, tokens), '')} {what}".strip()
