"""Files that nobody needs any more in a dataset and a folder of runs, and their removal.

`find_leftovers` lists them, with what looks alike and is still in use:

- frame stores in RUNS/.store that fit no dataset as it is now, and builds that were killed
- temporary files of writers that were killed: hidden, and named `.….part`
- folders of background tasks that ended a week ago
- shards of a conversion that nobody has worked on or merged for a week

Runs, masks and images are never among them, nor is a store that a run needs which trains or can be
resumed. Stores elsewhere (the setting `store`) are left alone: other people may share them.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityseg.config import TrainConfig
from cityseg.data import SHARDS, ShardFolder, find_frames, pixel_aspect_of
from cityseg.data.store import StoreFolder, build_lock, find_store, list_stores
from cityseg.errors import ConfigError, DatasetError, ReviewError, RunError, Skipped
from cityseg.geometry import Fit, Geometry, training_geometry
from cityseg.jobs import Task, list_runs
from cityseg.runs import RunDir
from cityseg.runs.checks import flagged_in_training, used_frames
from cityseg.system import FileModel, Lock, file_digest, is_held, read_or_none

#: A file that is being written changes every few seconds, also if its writer is on another machine.
_QUIET_SECONDS: Final = 3600.0
#: The app shows how a task ended; after this time nobody looks for it.
_TASK_SECONDS: Final = 7 * 24 * 3600.0
#: Levels of folders below a dataset: leftImg8bit_trainvaltest/leftImg8bit/train/aachen.
_DATASET_DEPTH: Final = 4
_MASKS_DEPTH: Final = 2
#: The ways in which the frames of a store may have been placed.
_FITS: Final[tuple[Fit, ...]] = ("contain", "squash", "squash_0_1_0")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder that can be removed, unless `in_use` says why it must stay."""

    path: Path
    reason: str  # why it is there, a sentence
    size_bytes: int  # on disk
    in_use: str = ""
    lock_file: Path | None = None  # held by the process that works on it


def find_leftovers(data: Path, runs: Path, masks: Path | None = None) -> list[Leftover]:
    """What is left over in the dataset `data`, its `masks` and `runs`, the largest first.

    `masks` defaults to DATA/masks. Folders that do not exist have no leftovers. Raises RunError if
    a folder is a file or cannot be read.
    """
    masks = masks or data / "masks"
    for folder in (data, masks, runs):
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file: name a folder")
    try:
        found = [
            *_stores(data, masks, runs),
            *_unfinished_runs(runs),
            *_unfinished_files_of_runs(runs),
            *_superseded_evidence(runs),
            *_ended_tasks(runs),
            *_abandoned_shards(masks),
            *_unfinished_files(data, _DATASET_DEPTH),
            *_unfinished_files(masks, _MASKS_DEPTH),
        ]
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    alone = {each.path.absolute(): each for each in found}  # masks or runs may be inside of `data`
    return sorted(alone.values(), key=lambda each: each.size_bytes, reverse=True)


def remove(leftover: Leftover) -> Skipped | None:
    """Remove `leftover`; a Skipped if it has come into use, or cannot be removed."""
    if leftover.in_use:
        return Skipped("in_use", f"{leftover.path} is kept: {leftover.in_use}")
    try:
        if leftover.lock_file is None:
            _remove(leftover.path)
            return None
        # Evidence is locked by its own folder, which cannot be opened as a file is.
        take = Lock.take_folder if leftover.lock_file.is_dir() else Lock.take
        with take(leftover.lock_file, patience_seconds=0.2) as lock:
            if not lock.is_effective:
                return Skipped("no_locks", f"{leftover.path} is kept: its file system has no locks")
            _remove(leftover.path)
            return None
    except FileNotFoundError:  # another process has removed it
        return None
    except BlockingIOError:
        return Skipped("in_use", f"{leftover.path} is kept: it has come into use")
    except OSError as error:
        detail = f"{leftover.path} cannot be removed ({error.strerror}): check its permissions"
        return Skipped("not_removed", detail)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- frame stores ------------------------------------------------------------------------------


def _stores(data: Path, masks: Path, runs: Path) -> Iterator[Leftover]:
    stores = runs / ".store"
    found = list_stores(stores)
    needs = _Needs({(data, masks)}, runs)
    building = _lock_holder(build_lock(stores), "a store is being built") if found else ""
    for store in found:
        if store.is_partial:
            reason = "The build of this frame store was stopped or killed."
            in_use = building or needs.run_that_needs(store)
        else:
            reason = "The files that these frames were decoded from have changed or are gone."
            in_use = needs.run_that_needs(store) or needs.dataset_that_fits(store)
        yield _leftover(store.path, reason, in_use, build_lock(stores))


class _Needs:
    """Which runs and datasets need which stores in RUNS/.store."""

    def __init__(self, datasets: set[tuple[Path, Path]], runs: Path) -> None:
        """Take datasets, each with its masks; those of the runs are added."""
        self._stores = runs / ".store"
        self._datasets = set(datasets)
        self._needing: list[tuple[str, TrainConfig]] = []  # runs that train or can be resumed
        self._fitting: dict[
            tuple[Path, Path, str, tuple[int, int], Fit, Path | None], Path | None
        ] = {}
        for each in list_runs(runs):
            config, state = each.config, each.state
            if config and state and not _is_elsewhere(config.store, self._stores):
                self._datasets.add((config.data, config.masks_folder))
                if state.is_live or state.can_resume:
                    self._needing.append((each.id, config))

    def run_that_needs(self, store: StoreFolder) -> str:
        """Why a run needs `store`, or "" if none does.

        Where no store fits a run's dataset as it is now, the run would build one, and copy from
        all stores of that split and size what has not changed.
        """
        for run_id, config in self._needing:
            if config.size == store.size_hw:
                fit = training_geometry(config).fit
                fitting = self._find(config.data, config.masks_folder, store, fit, config)
                if fitting in (None, store.path):
                    return f"the run {run_id} trains with it or can be resumed"
        return ""

    def dataset_that_fits(self, store: StoreFolder) -> str:
        """Which dataset, as it is now, `store` has the frames of; "" if none."""
        for data, masks in sorted(self._datasets):
            if any(self._find(data, masks, store, fit) == store.path for fit in _FITS):
                return f"it has the frames of {data} as they are now"
        return ""

    def _find(
        self, data: Path, masks: Path, store: StoreFolder, fit: Fit, run: TrainConfig | None = None
    ) -> Path | None:
        """The store that fits the dataset, or what the settings `run` use of it; None if none."""
        of_run = (run.exclude, run.review, run.fold) if run else ()
        key = (data, masks, store.split, store.size_hw, fit, *of_run)
        if key not in self._fitting:
            try:
                frames = find_frames(data, [store.split], masks=masks)
                pixels = pixel_aspect_of(data, masks, frames).value
                frames = used_frames(run, frames) if run else frames
                flagged = flagged_in_training(run, frames) if run else None
            except (DatasetError, ConfigError, ReviewError):  # removed, or not mounted
                frames, pixels, flagged = [], 1.0, None
            ignored = flagged.ignored if flagged else {}
            geometry = Geometry(store.size_hw, fit, pixels)
            self._fitting[key] = find_store(frames, masks, self._stores, geometry, ignored)
        return self._fitting[key]


def _is_elsewhere(chosen: Path | None, stores: Path) -> bool:
    return chosen is not None and chosen.resolve() != stores.resolve()


# --- unfinished files and folders --------------------------------------------------------------


def _unfinished_runs(runs: Path) -> Iterator[Leftover]:
    """Folders of runs that were killed while they were created."""
    for path in runs.glob(".*.part"):
        if path.is_dir():
            lock_file = RunDir(path).lock_file
            in_use = _fresh(path) or _lock_holder(lock_file, "it is being created")
            yield _leftover(path, "The creation of this run was killed.", in_use, lock_file)


def _unfinished_files_of_runs(runs: Path) -> Iterator[Leftover]:
    for entry in os.scandir(runs) if runs.is_dir() else ():
        if not entry.name.startswith(".") and entry.is_dir():
            lock_file = RunDir(Path(entry.path)).lock_file
            yield from _unfinished_files(Path(entry.path), 1, lock_file)


def _unfinished_files(
    folder: Path, depth: int, lock_file: Path | None = None
) -> Iterator[Leftover]:
    """Temporary files of `system.replacing` in `folder` and `depth` levels of visible folders."""
    for entry in os.scandir(folder) if folder.is_dir() else ():
        path, is_hidden = Path(entry.path), entry.name.startswith(".")
        if is_hidden and entry.name.endswith(".part") and entry.is_file(follow_symlinks=False):
            in_use = _lock_holder(lock_file, "its run is being trained") if lock_file else ""
            with suppress(FileNotFoundError):  # it has taken its name meanwhile
                yield _leftover(
                    path, "The writing of this file was killed.", in_use or _fresh(path), lock_file
                )
        elif depth and not is_hidden and entry.is_dir():  # links to folders are followed
            yield from _unfinished_files(path, depth - 1, lock_file)


def _fresh(path: Path) -> str:
    """Why somebody may still be writing to `path`; "" if that cannot be."""
    is_quiet = time.time() - path.stat().st_mtime > _QUIET_SECONDS
    return "" if is_quiet else "it was written to within the last hour"


# --- evidence ----------------------------------------------------------------------------------


class _Examined(FileModel):
    weights: str


def _superseded_evidence(runs: Path) -> Iterator[Leftover]:
    """Evidence of weights that their run no longer has."""
    for run in (RunDir(path.parent) for path in sorted(runs.glob("*/evidence")) if path.is_dir()):
        digest = file_digest(run.best)
        for folder in run.evidence.iterdir():
            about = read_or_none(folder / "evidence.json", _Examined)
            if about and digest and about.weights != digest:
                reason = (
                    "The network of this evidence has been replaced by a better one of its run."
                )
                yield _leftover(
                    folder, reason, _lock_holder(folder, "it is being collected"), folder
                )


# --- tasks -------------------------------------------------------------------------------------


def _ended_tasks(runs: Path) -> Iterator[Leftover]:
    for path in sorted((runs / ".tasks").glob("*-*")):
        task = Task(path)
        if time.time() - path.stat().st_mtime > _TASK_SECONDS and not task.state().is_live:
            reason = "The output of a background task that ended more than a week ago."
            yield _leftover(path, reason, "", task.lock_file)


def _abandoned_shards(masks: Path) -> Iterator[Leftover]:
    for path in sorted((masks / SHARDS).glob("*-*")):
        newest = max(each.stat().st_mtime for each in (path, *path.rglob("*")))
        if time.time() - newest > _TASK_SECONDS:
            live = ShardFolder(path).live()
            in_use = f"its shard {live[0]} is at work" if live else ""
            reason = "Shards of a conversion that were not merged for more than a week."
            yield _leftover(path, reason, in_use, None)


# -----------------------------------------------------------------------------------------------


def _leftover(path: Path, reason: str, in_use: str, lock_file: Path | None) -> Leftover:
    return Leftover(path, reason, _size_of(path), in_use, lock_file)


def _lock_holder(lock_file: Path, meaning: str) -> str:
    """`meaning` if somebody holds the lock, or if this cannot be found out; else ""."""
    try:
        return meaning if is_held(lock_file) else ""
    except OSError as error:
        return f"{lock_file} cannot be asked ({error.strerror}) whether {meaning}"


def _size_of(path: Path) -> int:
    """Bytes on disk of a file, or of all files in a folder; links count as themselves."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_blocks * 512
    total = 0
    for entry in os.scandir(path):
        with suppress(FileNotFoundError):  # a build at work renames its files
            total += _size_of(Path(entry.path))
    return total
