"""All runs below a folder, the newest first, each with its state or the reason why it has none."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cachetools import LRUCache

from cityseg.config import TrainConfig
from cityseg.errors import CitysegError, RunError
from cityseg.jobs.file_cache import cached
from cityseg.jobs.machine import Machine
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
#: A list of so many runs is read from a few stamps.
_MOST_ENDED: Final = 20_000
_Stamps = tuple[tuple[int, ...], ...]
_ended: Final[LRUCache[tuple[str, Machine], tuple[_Stamps, "Entry"]]] = LRUCache(_MOST_ENDED)
_ended_lock: Final = threading.Lock()


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


def list_runs(runs: Path, machine: Machine) -> list[Entry]:
    """The runs in the folder `runs`, the newest first by their ids; raises RunError."""
    try:
        with os.scandir(runs) as entries:
            names = [each.name for each in entries if each.name[0] != "." and each.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(
            f"{runs} cannot be listed ({error.strerror}): name a folder of runs, or check its "
            "permissions"
        ) from error
    return [_entry(RunDir(runs / name), machine) for name in sorted(names, reverse=True)]


def _entry(run: RunDir, machine: Machine) -> Entry:
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
    if entry.state and not entry.state.is_live and stamp[_SUMMARY]:
        with _ended_lock:
            _ended[path, machine] = stamp, entry
    return entry


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of thousands takes longer
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_entry(run: RunDir, machine: Machine) -> Entry:
    # Names are bytes: what no terminal and no page can show is escaped.
    name = run.path.name if run.path.name.isprintable() else ascii(run.path.name)[1:-1]
    try:
        run.check_name()
        return Entry(run, name, config_of(run), machine.state(run), "", *_notes(run))
    except (CitysegError, OSError) as error:
        return Entry(run, name, None, None, str(error))


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
