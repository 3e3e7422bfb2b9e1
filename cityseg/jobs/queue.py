"""Queues of the trainings that use a device: one for each GPU of this machine, one for its CPU.

A queue is a folder. Each training in it has a ticket, the file `<number>-<run id>.waiting` or
`.running`, and holds a lock on it. A ticket whose lock is free does not count, however its process
ended, and is removed by the next process that changes the queue. The trainer inherits the lock
from its supervisor, so that the device stays taken when the supervisor is killed.
"""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cityseg.errors import RunError
from cityseg.system import Lock, is_held

#: Names the folder of the queues, in place of one of this user's among the temporary files.
QUEUE_VARIABLE: Final = "CITYSEG_QUEUE"
#: Tells a process which of its open descriptors holds its ticket.
TICKET_VARIABLE: Final = "CITYSEG_TICKET"

#: How long another process may take to change a queue.
_PATIENCE_SECONDS: Final = 30.0
_TICKET: Final = re.compile(r"([0-9]{12})-(.+)\.(waiting|running)")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One training in a queue; places sort in the order in which they were taken."""

    number: int
    run_id: str
    is_running: bool
    path: Path


class Ticket:
    """A place in a queue, held by this process and those that inherit its lock."""

    def __init__(self, path: Path, lock: Lock) -> None:
        """Take over a ticket file and the lock on it."""
        self._path, self.lock = path, lock

    @classmethod
    def inherited(cls) -> Self | None:
        """The ticket that the parent handed on; None if there is none."""
        descriptor = os.environ.pop(TICKET_VARIABLE, "")
        try:
            # The parent may have renamed the file; the link has its present name.
            path = Path(f"/proc/self/fd/{int(descriptor)}").readlink()
        except (OSError, ValueError):
            return None
        lock = Lock.inherited(path, int(descriptor)) if _TICKET.fullmatch(path.name) else None
        return cls(path, lock) if lock else None

    def try_start(self) -> bool:
        """Take the device if no training runs on it and this one is the first; whether it runs now.

        Raises RunError if the queue's folder is gone.
        """
        if self._path.suffix == ".running":
            return True
        queue = DeviceQueue(self._path.parent)
        with queue.changing():
            self._restore()
            places = queue.places()
            if any(place.is_running for place in places) or places[0].path != self._path:
                return False
            running = self._path.with_suffix(".running")
            self._path.rename(running)
            self._path = running
            return True

    def keep_fresh(self) -> None:
        """Keep the file from being removed with old temporary files, or put it back.

        Raises OSError, or RunError if the queue's folder is gone.
        """
        os.utime(self.lock.descriptor)
        if not self._is_in_place():
            with DeviceQueue(self._path.parent).changing():
                self._restore()

    def _restore(self) -> None:
        """Put a ticket file that was removed back in its place; for use while `changing`."""
        if not self._is_in_place():
            lock = _create(self._path)
            self.lock.close()
            self.lock = lock

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self.lock.descriptor))
        except FileNotFoundError:
            return False

    def leave(self) -> None:
        """Give the place up, for all processes that hold it."""
        with suppress(OSError):
            self._path.unlink()
        self.lock.close()


@dataclass(frozen=True, slots=True)
class DeviceQueue:
    """The queue in one folder."""

    folder: Path

    @classmethod
    def of(cls, device: str) -> Self:
        """The queue of the device with this key; raises RunError if it cannot be used."""
        root = queues_folder()
        try:
            root.parent.mkdir(exist_ok=True, parents=True)
            for folder in (root, root / device):
                with suppress(FileExistsError):
                    folder.mkdir(mode=0o700)
                _check_private(folder)
        except OSError as error:
            raise _unusable(root, error) from error
        return cls(root / device)

    def join(self, run_id: str, *, at_once: bool) -> Ticket:
        """Take the last place, or with `at_once` one among those that run; raises RunError."""
        with self.changing():
            number = max((place.number for place in self.places()), default=0) + 1
            path = self.folder / f"{number:012d}-{run_id}.{'running' if at_once else 'waiting'}"
            return Ticket(path, _create(path))

    def places(self) -> list[Place]:
        """The places that are taken now, in order."""
        return sorted(
            Place(int(match[1]), match[2], match[3] == "running", path)
            for path in self.folder.glob("[!.]*")
            if (match := _TICKET.fullmatch(path.name)) and _is_file(path) and _is_taken(path)
        )

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other processes from changing the queue, after removing tickets that do not count.

        Raises RunError if the folder cannot be written or has no locks.
        """
        try:
            with Lock.take(self.folder / ".mutex", _PATIENCE_SECONDS) as mutex:
                if not mutex.is_effective:
                    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
                for path in self.folder.iterdir():
                    is_ticket = _TICKET.fullmatch(path.name.removeprefix(".")) and _is_file(path)
                    if is_ticket and not _is_taken(path):
                        path.unlink(missing_ok=True)
                yield
        except OSError as error:
            raise _unusable(self.folder, error) from error


def queues_folder() -> Path:
    """`$CITYSEG_QUEUE`, or a folder of this user's among the temporary files."""
    named = os.environ.get(QUEUE_VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"cityseg-{os.getuid()}"


def _check_private(folder: Path) -> None:
    """Raise RunError if another user may have put something into `folder`, or OSError."""
    # Temporary folders are open to all users: another one may have put a link there.
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid():
        raise RunError(
            f"{folder} is a link or belongs to another user, so it cannot hold the queue of runs: "
            f"remove it or set {QUEUE_VARIABLE} to another folder"
        )
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RunError(
            f"Other users may write to {folder}, so it cannot hold the queue of runs: "
            f"run chmod go-w {folder} or set {QUEUE_VARIABLE} to another folder"
        )


def _is_file(path: Path) -> bool:
    """Whether it is a file itself; a folder, a link or a pipe with a ticket's name is ignored."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _create(path: Path) -> Lock:
    """Create a ticket file and lock it, under a hidden name: unlocked, it would be removed."""
    hidden = path.with_name(f".{path.name}")
    lock = Lock.take(hidden)
    try:
        hidden.rename(path)
    except BaseException:
        lock.close()
        raise
    return lock


def _is_taken(path: Path) -> bool:
    try:
        return is_held(path)
    except OSError:
        return False


def _unusable(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"The queue of runs cannot be kept in {folder} ({error.strerror}): "
        f"check that folder or set {QUEUE_VARIABLE} to another one"
    )
