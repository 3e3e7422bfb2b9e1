"""Runs that were put away: in the folder .archive beside the runs, where no list looks for them.

Nothing of them is changed, and they can be brought back at any time. Only there can a run be
deleted.
"""

import shutil
from pathlib import Path
from typing import Final

from cityseg.errors import RunError
from cityseg.runs.folder import RunDir

ARCHIVE: Final = ".archive"


def archived_runs(runs: Path) -> Path:
    """The folder of the archived runs of the folder `runs`, which need not exist."""
    return runs / ARCHIVE


def is_archived(run: RunDir) -> bool:
    """Whether `run` lies in an archive."""
    return run.path.absolute().parent.name == ARCHIVE


def archive_run(run: RunDir) -> RunDir:
    """Move `run` to the archive; returns it at its new place.

    Raises RunError if a process works on it, or it cannot be moved.
    """
    return _move(run, archived_runs(run.path.absolute().parent))


def restore_run(run: RunDir) -> RunDir:
    """Move an archived run back beside the others; returns it at its new place.

    Raises RunError if it is not archived or cannot be moved.
    """
    _check_archived(run)
    return _move(run, run.path.absolute().parent.parent)


def delete_run(run: RunDir) -> None:
    """Delete an archived run and all its files.

    Raises RunError if it is not archived, if a process works on it, or if files are left.
    """
    _check_archived(run)
    _check_folder(run)
    # Hidden first: a deletion that is killed leaves no run that looks whole.
    hidden = run.path.with_name(f".{run.path.name}.part")
    try:
        with run.locked():
            _check_not_awaited(run)
            run.path.rename(hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise RunError(
            f"{run.path} cannot be deleted ({error.strerror}): check its permissions"
        ) from error


def _move(run: RunDir, folder: Path) -> RunDir:
    _check_folder(run)
    moved = RunDir(folder / run.path.name)
    try:
        folder.mkdir(exist_ok=True)
        if moved.path.exists():
            raise RunError(f"{moved.path} exists: rename one of the two folders first")
        with run.locked():
            _check_not_awaited(run)
            run.path.rename(moved.path)
    except OSError as error:
        raise RunError(
            f"{run.path} cannot be moved to {folder} ({error.strerror}): check the permissions"
        ) from error
    return moved


def _check_archived(run: RunDir) -> None:
    if not is_archived(run):
        raise RunError(f"{run.path} is not archived: archive it first")


def _check_not_awaited(run: RunDir) -> None:
    if run.is_awaited():
        raise RunError(
            f"{run.path} was submitted to a cluster, and its end is not recorded: run "
            "`cityseg jobs stop` with it first"
        )


def _check_folder(run: RunDir) -> None:
    if run.path.is_symlink():
        raise RunError(f"{run.path} is a link to a run elsewhere: move or remove the link yourself")
    if not run.path.is_dir():
        raise RunError(f"There is no run {run.path}: it was moved or removed")
