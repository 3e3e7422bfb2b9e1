"""What killed and abandoned work has left: files, videos, evidence, shards, tasks and groups."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cityseg.data import KEPT_CLASSES, SHARDS, UNFINISHED_VIDEO, ShardFolder
from cityseg.jobs.groups import GROUPS
from cityseg.jobs.leftovers import (
    Leftover,
    is_abandoned,
    leftover_at,
    lock_holder,
    written_lately,
)
from cityseg.jobs.tasks import TASKS, Task
from cityseg.runs import RunDir, archived_runs
from cityseg.system import FileModel, file_digest, is_unfinished, read_or_none

#: Levels of folders below one of evidence: pictures/train/aachen.
_EVIDENCE_DEPTH: Final = 3
#: The name of a folder that `system.new_folder` makes.
_NEW_FOLDER: Final = re.compile(r"\..+\.[0-9a-f]{8}\.part")
#: The name of a file that `predict --video` leaves when it is stopped, to continue from.
_KEPT_CLASSES: Final = re.compile(rf"\..+\.(mp4|webm){re.escape(KEPT_CLASSES)}", re.I | re.S)
_WORK: Final = {
    "convert": "a conversion",
    "predict": "a prediction",
    "evidence": "a collection of evidence",
    "audit": "an audit",
}


def unfinished_of_runs(runs: Path) -> Iterator[Leftover]:
    """What is left in the folder `runs`; raises OSError."""
    yield from _unfinished_runs(runs, "The creation of this run was killed.")
    yield from _unfinished_runs(archived_runs(runs), "The deletion of this run was killed.")
    for folder in [*_folders(runs), *_folders(archived_runs(runs)), *_folders(runs / ".box")]:
        run = RunDir(folder)
        in_use = lock_holder([run.lock_file], "its run is being trained")
        yield from unfinished_files(folder, 1, in_use, run.lock_file)
        yield from _evidence(run)
    yield from _groups(runs / GROUPS)
    for folder in _folders(runs / TASKS):
        yield from _task(Task(folder))


def _folders(parent: Path) -> list[Path]:
    """The visible folders in `parent`; links to folders count."""
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(Path(each.path) for each in entries if each.name[0] != "." and each.is_dir())


def _unfinished_runs(runs: Path, reason: str) -> Iterator[Leftover]:
    """Folders of runs that are hidden, because they do not exist yet or any more."""
    for path in runs.glob(".*.part"):
        if path.is_dir():
            lock = RunDir(path).lock_file
            in_use = written_lately(path) or lock_holder([lock], "it is being created")
            yield leftover_at(path, reason, in_use, lock)


# --- files -------------------------------------------------------------------------------------


def unfinished_files(
    folder: Path, depth: int, in_use: str = "", *locks: Path
) -> Iterator[Leftover]:
    """What writers that were killed have left in `folder` and `depth` levels of visible folders.

    `in_use` says why all of it must stay, and `locks` are taken to remove it. Raises OSError.
    """
    for entry in os.scandir(folder) if folder.is_dir() else ():
        path = Path(entry.path)
        with suppress(FileNotFoundError):  # it has taken its name meanwhile
            if not entry.name.startswith("."):
                if depth and entry.is_dir():  # links to folders are followed
                    yield from unfinished_files(path, depth - 1, in_use, *locks)
            elif entry.is_dir(follow_symlinks=False):
                yield from _unfinished_folder(path, in_use, *locks)
            elif entry.is_file(follow_symlinks=False):
                yield from _unfinished_file(path, in_use, *locks)


def _unfinished_file(path: Path, in_use: str, *locks: Path) -> Iterator[Leftover]:
    if is_unfinished(path.name):
        reason = "The writing of this file was killed."
        yield leftover_at(path, reason, in_use or written_lately(path), *locks)
    elif _KEPT_CLASSES.fullmatch(path.name) and is_abandoned(path):
        reason = "The classes of a video whose prediction was not continued for more than a week."
        yield leftover_at(path, reason, in_use, *locks)


def _unfinished_folder(path: Path, in_use: str, *locks: Path) -> Iterator[Leftover]:
    if path.name.startswith(UNFINISHED_VIDEO):
        in_use = in_use or lock_holder([path], "a video is being predicted")
        reason = "The prediction of this video was killed."
        yield leftover_at(path, reason, in_use or written_lately(path), *locks, path)
    elif _NEW_FOLDER.fullmatch(path.name):
        reason = "The writing of this folder was killed."
        yield leftover_at(path, reason, in_use or written_lately(path), *locks)


# --- shards and evidence -----------------------------------------------------------------------


def abandoned_work(folder: Path) -> Iterator[Leftover]:
    """What was left more than a week ago in a folder that shards or evidence were written to."""
    yield from _shards(folder)
    for path in _folders(folder):
        yield from _pass(path, "")


def _shards(folder: Path) -> Iterator[Leftover]:
    for path in sorted((folder / SHARDS).glob("*-*")):
        if is_abandoned(path):
            work = _WORK.get(path.name.partition("-")[0], "a command")
            reason = f"Shards of {work} that were not merged for more than a week."
            shards = ShardFolder(path)
            yield leftover_at(path, reason, _live(shards), *shards.locks())


def _live(shards: ShardFolder) -> str:
    live = shards.live()
    return f"its shard {live[0]} is at work" if live else ""


class _Examined(FileModel):
    weights: str
    is_done: bool = True


def _evidence(run: RunDir) -> Iterator[Leftover]:
    """Of a run's evidence, what was abandoned, and that of weights that the run no longer has."""
    folders = _folders(run.evidence)
    digest = file_digest(run.best) if folders else ""
    for folder in folders:
        yield from _pass(folder, digest)


def _pass(folder: Path, digest: str) -> Iterator[Leftover]:
    """What is left over of one collection of evidence; `digest` is that of the run's weights."""
    about = read_or_none(folder / "evidence.json", _Examined)
    if not (about and (reason := _why_useless(folder, about, digest))):
        yield from _shards(folder)
        if about:
            held = lock_holder([folder], "it is being collected")
            yield from unfinished_files(folder, _EVIDENCE_DEPTH, held, folder)
        return
    locks = [folder]
    in_use = lock_holder(locks, "it is being collected")
    for shards in map(ShardFolder, (folder / SHARDS).glob("*-*")):
        in_use = in_use or _live(shards)
        locks += shards.locks()
    yield leftover_at(folder, reason, in_use, *locks)


def _why_useless(folder: Path, about: _Examined, digest: str) -> str:
    if digest and about.weights != digest:
        return "The network of this evidence has been replaced by a better one of its run."
    if not about.is_done and is_abandoned(folder):
        return "Evidence whose collection was not continued for more than a week."
    return ""


# --- tasks and groups --------------------------------------------------------------------------


def _task(task: Task) -> Iterator[Leftover]:
    in_use = "its task is at work" if task.state().is_live else ""
    if task.place_file.exists() and not task.result_file.exists():
        in_use = in_use or "its task may wait on a cluster"
    if "-" in task.folder.name and not in_use and is_abandoned(task.folder, inside=False):
        reason = "The output of a background task that ended more than a week ago."
        yield leftover_at(task.folder, reason, "", task.lock_file)
    else:
        yield from unfinished_files(task.folder, 0, in_use, task.lock_file)


def _groups(folder: Path) -> Iterator[Leftover]:
    """Plans of groups that nobody has continued, and what was left of writing them."""
    yield from unfinished_files(folder, 0)
    for path in sorted(folder.glob("[!.]*.json")):
        with suppress(FileNotFoundError):  # all its runs are queued by now
            if is_abandoned(path):
                reason = "The plan of a group whose other runs were not queued for a week."
                in_use = lock_holder([path], "its runs are being queued")
                yield leftover_at(path, reason, in_use, path)
