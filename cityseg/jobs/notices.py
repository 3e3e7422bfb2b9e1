"""What has happened to the runs of a folder, until somebody has marked it as seen.

The events are those of `events`, looked for in the folders of the runs as they are now. So a run
that is resumed takes its end back, and nothing has to run for an event to be found. What is marked
as seen stands in RUNS/.notices.json, for everybody who looks at that folder.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cachetools import LRUCache
from pydantic import Field

from cityseg.errors import CitysegError, RunError
from cityseg.jobs.events import Event, end_event, live_events
from cityseg.jobs.listing import Entry
from cityseg.runs import RunDir
from cityseg.system import FileModel, read_or_none, write_json

#: How a run ended that long ago is old news. It bounds what a folder without the file shows.
_NEWS_SECONDS: Final = 7 * 24 * 3600.0
#: Older marks are of events that are no news any more.
_MOST_SEEN: Final = 1000

_lock: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of the run `run_id`, found at `time` in seconds since 1970.

    `ids` stand for it in what is marked as seen: several if other runs share the event.
    """

    run_id: str
    event: Event
    time: float
    ids: tuple[str, ...]


#: By folder of runs and id of a run that has ended: its entry, and its notice if there is one.
_Ended = dict[str, tuple[Entry, Notice | None]]
_ended: Final[LRUCache[Path, _Ended]] = LRUCache(16)


class _Seen(FileModel):
    """The content of .notices.json."""

    seen: list[str] = Field(default_factory=list)


def unseen_notices(runs: Path, entries: Sequence[Entry]) -> list[Notice]:
    """What has happened to `entries`, the runs in the folder `runs`, the newest first.

    The folder of an ended run is not looked at again while its entry is the same object.
    """
    seen, now = set(_read(runs)), time.time()
    found = _with_one_disk(_notices(runs, entries, now))
    found = [notice for notice in found if not seen.issuperset(notice.ids)]
    return sorted(found, key=lambda notice: notice.time, reverse=True)


def mark_seen(runs: Path, notices: Sequence[Notice]) -> None:
    """Leave `notices` out from now on. Raises RunError if the folder cannot be written."""
    ids = [each for notice in notices for each in notice.ids]
    try:
        with _lock:
            seen = list(dict.fromkeys([*_read(runs), *ids]))[-_MOST_SEEN:]
            write_json(_file(runs), _Seen(seen=seen).model_dump())
    except OSError as error:
        raise RunError(
            f"{runs} cannot be written ({error.strerror}), so nothing is marked as seen: check its "
            "permissions and free space"
        ) from error


def _file(runs: Path) -> Path:
    return runs / ".notices.json"


def _read(runs: Path) -> list[str]:
    found = read_or_none(_file(runs), _Seen)
    return found.seen if found else []


def _notices(runs: Path, entries: Sequence[Entry], now: float) -> list[Notice]:
    """How the runs of the last week have ended, and what is wrong with those that are live.

    A folder that cannot be read has no news: the list of runs names it.
    """
    with _lock:
        known = _ended.get(runs, {})
    found: _Ended = {}
    live: list[Notice] = []
    for entry in entries:
        before = known.get(entry.id)
        if before and before[0] is entry:
            found[entry.id] = before
        elif entry.state and entry.state.is_live:
            live.extend(_live_notices(entry, now))
        elif entry.state:
            found[entry.id] = entry, _end_notice(entry, now)
    with _lock:
        _ended[runs] = found
    earliest = now - _NEWS_SECONDS
    return [*live, *(each for _, each in found.values() if each and each.time > earliest)]


def _live_notices(entry: Entry, now: float) -> list[Notice]:
    if entry.state:
        with suppress(CitysegError, OSError):
            return [_notice(entry, event, now) for event in live_events(entry.run, entry.state)]
    return []


def _end_notice(entry: Entry, now: float) -> Notice | None:
    """How a run has ended, unless that is no news any more."""
    with suppress(CitysegError, OSError):
        ended = _ended_at(entry.run)
        if entry.state and ended > now - _NEWS_SECONDS:
            return _notice(entry, end_event(entry.run, entry.state), ended)
    return None


def _notice(entry: Entry, event: Event, at: float) -> Notice:
    return Notice(entry.id, event, at, (f"{entry.id} {event.key}",))


def _ended_at(run: RunDir) -> float:
    """When the run ended: where processes are gone without a summary, when they last wrote."""
    for file in (run.summary_file, run.metrics_file, run.config_file):
        with suppress(FileNotFoundError):
            return file.stat().st_mtime
    return 0.0


def _with_one_disk(notices: Sequence[Notice]) -> list[Notice]:
    """One notice on the disk, which all runs of a folder share, in place of one for each run."""
    disk = [each for each in notices if each.event.kind == "disk"]
    others = [each for each in notices if each.event.kind != "disk"]
    if disk:
        others.append(replace(disk[0], ids=tuple(each for d in disk for each in d.ids)))
    return others
