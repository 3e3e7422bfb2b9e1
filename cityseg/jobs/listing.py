"""All runs below a folder, the newest first, each with its state or the reason why it has none."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from cachetools import LRUCache

from cityseg.config import TrainConfig
from cityseg.errors import CitysegError, RunError
from cityseg.jobs.file_cache import cached
from cityseg.jobs.machine import Machine
from cityseg.jobs.machines import machine_of
from cityseg.jobs.state import JobState, config_of
from cityseg.runs import MetricRow, Notes, RunDir, epoch_rows, newest_rows, read_notes

#: How much of the rows a curve is made of, from the end of the file, and of how many epochs.
_CURVE_BYTES: Final = 1 << 17
_CURVE_EPOCHS: Final = 60
#: The folder of a run and the files that decide its entry once the run has ended, by their names.
_FILES: Final = RunDir(Path())
_DECISIVE: Final = (
    "",
    *(
        file.name
        for file in (
            _FILES.summary_file,
            _FILES.config_file,
            _FILES.about_file,
            _FILES.metrics_file,
            _FILES.seen_file,
        )
    ),
)
_SUMMARY: Final = 1
_JOB: Final = _FILES.job.name
#: A list of so many runs is read from a few stamps.
_MOST_ENDED: Final = 20_000
_Stamps = tuple[tuple[int, ...], ...]
_ended: Final[LRUCache[tuple[str, Machine | None], tuple[_Stamps, "Entry"]]] = LRUCache(_MOST_ENDED)
_ended_lock: Final = threading.Lock()
#: A folder that changed so shortly ago may change again without another time.
_FRESH_NS: Final = 1_000_000_000
_NO_TIME: Final = -1


@dataclass(frozen=True, slots=True)
class Entry:
    """One folder of the list: a run with its settings and state, or the problem with it."""

    run: RunDir
    id: str
    config: TrainConfig | None
    state: JobState | None
    problem: str = ""
    notes: Notes = field(default_factory=Notes)
    notes_problem: str = ""

    @property
    def title(self) -> str:
        """The name that people gave the run, else its title; empty if it has none."""
        return self.notes.name or (self.config.title if self.config else "")


class _Watched(NamedTuple):
    """An entry that `watch_runs` keeps, and the times of the folders that decide it."""

    entry: Entry
    folder_ns: int
    job_ns: int | None  # None where the other one shows every change


_watched: Final[LRUCache[tuple[Path, Machine | None], dict[str, _Watched]]] = LRUCache(16)
_watched_lock: Final = threading.Lock()


def list_runs(runs: Path, machine: Machine | None) -> list[Entry]:
    """The runs in the folder `runs`, the newest first by their ids; raises RunError."""
    names = sorted((each.name for each in _folders(runs)), reverse=True)
    return [_entry(RunDir(runs / name), machine) for name in names]


def watch_runs(runs: Path, machine: Machine | None) -> list[Entry]:
    """The runs in the folder `runs` as `list_runs` lists them, for a look every few seconds.

    A run that has ended is read again only when a file of it has come, gone or been replaced, and
    its entry is the same object until then. What somebody edits in place by hand is not noticed.
    """
    with _watched_lock:
        known = _watched.get((runs, machine), {})
    found = {
        each.name: before if (before := _unchanged(each, known)) else _watch(each, runs, machine)
        for each in _folders(runs)
    }
    with _watched_lock:
        _watched[runs, machine] = found
    return [found[name].entry for name in sorted(found, reverse=True)]


def _folders(runs: Path) -> list["os.DirEntry[str]"]:
    """The folders in `runs` that may be runs; raises RunError."""
    try:
        with os.scandir(runs) as entries:
            return [each for each in entries if each.name[0] != "." and each.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(
            f"{runs} cannot be listed ({error.strerror}): name a folder of runs, or check its "
            "permissions"
        ) from error


def _unchanged(folder: "os.DirEntry[str]", known: dict[str, _Watched]) -> _Watched | None:
    """What is known of a run, unless one of its folders has changed."""
    if (before := known.get(folder.name)) is None:
        return None
    try:
        if folder.stat().st_mtime_ns != before.folder_ns:
            return None
    except OSError:  # it has just gone
        return None
    if before.job_ns is None or before.job_ns == _time_ns(f"{folder.path}/{_JOB}"):
        return before
    return None


def _watch(folder: "os.DirEntry[str]", runs: Path, machine: Machine | None) -> _Watched:
    """The entry of a run; with times that no folder has if it must be read at each look."""
    run = RunDir(runs / folder.name)
    # Before the entry is read: what changes meanwhile is found by the next look.
    folder_ns, job_ns = _time_ns(folder.path), _time_ns(f"{folder.path}/{_JOB}")
    entry = _entry(run, machine)
    has_ended = entry.state is not None and not entry.state.is_live
    # A run on a cluster that cannot be asked counts as lost, until it can.
    if run.place_file.exists() and entry.state and entry.state.phase == "lost":
        has_ended = False
    if not has_ended or max(folder_ns, job_ns) > time.time_ns() - _FRESH_NS:
        return _Watched(entry, _NO_TIME, None)
    # The folder itself shows when a job's folder comes, and that a run is resumed, which removes
    # its summary first.
    is_enough = not job_ns or run.summary_file.exists()
    return _Watched(entry, folder_ns, None if is_enough else job_ns)


def _time_ns(folder: str) -> int:
    """When a folder was changed last; 0 if there is none."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - as in `_stamp`
    except OSError:
        return 0


def _entry(run: RunDir, machine: Machine | None) -> Entry:
    """The entry of a folder; that of a run that has ended is kept until one of its files changes.

    Only with a summary: it is removed first when such a run is resumed, and the stamp changes.
    """
    path = os.fspath(run.path)
    stamp = tuple(_stamp(f"{path}/{name}") for name in _DECISIVE)
    with _ended_lock:
        known = _ended.get((path, machine))
    if known and known[0] == stamp:
        return known[1]
    entry = _read_entry(run, machine)
    # A run on a cluster that cannot be asked counts as lost, until it can.
    if entry.state and not entry.state.is_live and entry.state.phase != "lost" and stamp[_SUMMARY]:
        with _ended_lock:
            _ended[path, machine] = stamp, entry
    return entry


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of thousands takes longer
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_entry(run: RunDir, machine: Machine | None) -> Entry:
    # Names are bytes: what no terminal and no page can show is escaped.
    name = run.path.name if run.path.name.isprintable() else ascii(run.path.name)[1:-1]
    try:
        run.check_name()
        config = config_of(run)
        state = (machine or machine_of(run)).state(run)
        return Entry(run, name, config, state, "", *_notes(run))
    except CitysegError as error:
        return Entry(run, name, None, None, str(error))
    except OSError as error:
        problem = f"{error.filename or run.path} cannot be read: {error.strerror}"
        return Entry(run, name, None, None, problem)


def _notes(run: RunDir) -> tuple[Notes, str]:
    """The notes on a run, and why they cannot be read: the run is as good as before then."""
    try:
        return cached(run.about_file, lambda _: read_notes(run)) or Notes(), ""
    except (RunError, OSError) as error:
        return Notes(), str(error)


def score_curve(run: RunDir) -> tuple[float, ...]:
    """The mean IoU of the newest epochs of `run`, in their order; empty if it has none."""

    def read(path: Path) -> tuple[float, ...]:
        rows: list[MetricRow] = epoch_rows(newest_rows(path, _CURVE_BYTES)[0])
        return tuple(row["mean_iou"] or 0.0 for row in rows[-_CURVE_EPOCHS:])

    try:
        return cached(run.metrics_file, read, "curve") or ()
    except (RunError, OSError):  # the state of the run says why
        return ()
