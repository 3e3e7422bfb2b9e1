"""One leftover: a file or folder that nobody needs any more, and its removal.

Nobody works on it while the locks that belong to it are free. They are taken for the removal, so
what has come into use since it was listed stays.
"""

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityseg.errors import Skipped
from cityseg.system import Lock, is_held

#: A file that is being written changes every few seconds, also if its writer is on another machine.
_QUIET_SECONDS: Final = 3600.0
#: After this time nobody looks for the outcome of a task, or continues what was interrupted.
_ABANDONED_SECONDS: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder that can be removed, unless `in_use` says why it must stay."""

    path: Path
    reason: str  # why it is there, a sentence
    size_bytes: int  # on disk
    in_use: str = ""
    locks: tuple[Path, ...] = ()  # files or folders, locked by the processes that work on it


def leftover_at(path: Path, reason: str, in_use: str, *locks: Path) -> Leftover:
    """The leftover `path` with its size."""
    return Leftover(path, reason, _size_of(path), in_use, locks)


def remove(leftover: Leftover) -> Skipped | None:
    """Remove `leftover`; a Skipped if it has come into use, or cannot be removed."""
    if leftover.in_use:
        return Skipped("in_use", f"{leftover.path} is kept: {leftover.in_use}")
    try:
        with ExitStack() as stack:
            for path in leftover.locks:
                # Evidence is locked by its own folder, which cannot be opened as a file is.
                take = Lock.take_folder if path.is_dir() else Lock.take
                if not stack.enter_context(take(path, patience_seconds=0.2)).is_effective:
                    detail = f"{leftover.path} is kept: its file system has no locks"
                    return Skipped("no_locks", detail)
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


def lock_holder(locks: Iterable[Path], meaning: str) -> str:
    """`meaning` if somebody holds one of the locks, or if this cannot be found out; else ""."""
    for path in locks:
        try:
            if is_held(path):
                return meaning
        except OSError as error:
            return f"{path} cannot be asked ({error.strerror}) whether {meaning}"
    return ""


def written_lately(path: Path) -> str:
    """Why somebody may still be writing to `path`; "" if that cannot be."""
    is_quiet = time.time() - _last_change(path) > _QUIET_SECONDS
    return "" if is_quiet else "it was written to within the last hour"


def is_abandoned(path: Path, *, inside: bool = True) -> bool:
    """Whether nothing has changed for a week in a file, or in a folder, also `inside` of it."""
    changed = _last_change(path) if inside else path.stat().st_mtime
    return time.time() - changed > _ABANDONED_SECONDS


def _last_change(path: Path) -> float:
    """When a file, or a folder or anything in it, was changed last."""
    newest = path.stat().st_mtime
    for each in path.rglob("*"):
        with suppress(FileNotFoundError):  # it is being worked on
            newest = max(newest, each.lstat().st_mtime)
    return newest


def _size_of(path: Path) -> int:
    """Bytes on disk of a file, or of all files in a folder; links count as themselves."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_blocks * 512
    total = 0
    for entry in os.scandir(path):
        with suppress(FileNotFoundError):  # a build at work renames its files
            total += _size_of(Path(entry.path))
    return total
