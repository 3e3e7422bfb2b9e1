"""Queues of the trainings that use a device: one for each GPU of this machine, one for its CPU.

A queue is a folder. Each training in it has a ticket, the file `<number>-<run id>.waiting` or
`.running`, and holds a lock on it. A ticket whose lock is free does not count, however its process
ended, and is removed by the next process that changes the queue. The trainer inherits the lock
from its supervisor, so that the device stays taken when the supervisor is killed.

A training on several devices has a file in each of their queues, with the same number, and starts
on all of them or on none. The numbers order any two trainings alike in all queues that they share,
so no circle of trainings can wait for each other.
"""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cityseg.errors import RunError
from cityseg.system import Lock, is_held

#: Names the folder of the queues, in place of one of this user's among the temporary files.
QUEUE_VARIABLE: Final = "CITYSEG_QUEUE"
#: Tells a process which of its open descriptors, with commas between, hold its ticket.
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


@dataclass(slots=True)
class _Slip:
    """The file of a ticket in one queue, and the lock on it."""

    path: Path
    lock: Lock

    @property
    def queue(self) -> "DeviceQueue":
        return DeviceQueue(self.path.parent)

    def is_in_place(self) -> bool:
        """Whether the file is the one that is locked, and was not removed."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.lock.descriptor))
        except FileNotFoundError:
            return False

    def restore(self) -> None:
        """Put a file that was removed back in its place; for use while the queue is `changing`."""
        if not self.is_in_place():
            lock = _create(self.path)
            self.lock.close()
            self.lock = lock

    def is_next(self) -> bool:
        """Whether no other training runs on the device or waits for it longer."""
        first, *others = self.queue.places()
        return first.path == self.path and not any(place.is_running for place in others)


class Ticket:
    """A place in one or several queues, held by this process and those that inherit its locks."""

    def __init__(self, slips: Sequence[_Slip]) -> None:
        """Take over the files of the ticket, in the order of their queues."""
        self._slips = slips

    @classmethod
    def inherited(cls) -> Self | None:
        """The ticket that the parent handed on; None if there is none."""
        slips: list[_Slip] = []
        for descriptor in os.environ.pop(TICKET_VARIABLE, "").split(","):
            try:
                # The parent may have renamed the file; the link has its present name.
                path = Path(f"/proc/self/fd/{int(descriptor)}").readlink()
            except (OSError, ValueError):
                continue
            lock = Lock.inherited(path, int(descriptor)) if _TICKET.fullmatch(path.name) else None
            slips += [_Slip(path, lock)] if lock else []
        return cls(slips) if slips else None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those of the locks, to be handed on."""
        return tuple(slip.lock.descriptor for slip in self._slips)

    def try_start(self) -> bool:
        """Take all devices if this training is the next on each; whether it runs now.

        Raises RunError if a queue's folder is gone.
        """
        if all(slip.path.suffix == ".running" for slip in self._slips):
            return True
        with _changing(slip.queue for slip in self._slips):
            for slip in self._slips:
                slip.restore()
            if not all(slip.is_next() for slip in self._slips):
                return False
            for slip in self._slips:
                slip.path = slip.path.rename(slip.path.with_suffix(".running"))
            return True

    def keep_fresh(self) -> None:
        """Keep the files from being removed with old temporary files, or put them back.

        Raises OSError, or RunError if a queue's folder is gone.
        """
        for slip in self._slips:
            os.utime(slip.lock.descriptor)
            if not slip.is_in_place():
                with slip.queue.changing():
                    slip.restore()

    def leave(self) -> None:
        """Give the place up, for all processes that hold it."""
        for slip in self._slips:
            with suppress(OSError):
                slip.path.unlink()
        self.close()

    def close(self) -> None:
        """Leave the place to the processes that have inherited the locks."""
        for slip in self._slips:
            slip.lock.close()


@dataclass(frozen=True, slots=True, order=True)
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
        """As `join_queues`, in this queue alone."""
        return join_queues([self], run_id, at_once=at_once)

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


def join_queues(queues: Iterable[DeviceQueue], run_id: str, *, at_once: bool) -> Ticket:
    """Take the last place in all `queues`, or with `at_once` one among those that run.

    Raises RunError.
    """
    ordered = sorted(set(queues))
    with _changing(ordered):
        places = [place for queue in ordered for place in queue.places()]
        number = max((place.number for place in places), default=0) + 1
        name = f"{number:012d}-{run_id}.{'running' if at_once else 'waiting'}"
        slips: list[_Slip] = []
        try:
            slips.extend(_Slip(each.folder / name, _create(each.folder / name)) for each in ordered)
        except BaseException:
            Ticket(slips).leave()
            raise
        return Ticket(slips)


def position_in(queues: Iterable[DeviceQueue], run_id: str) -> int | None:
    """The position of a training among those that wait, from 1; None if it does not wait.

    Before it come all those that wait longer in one of its `queues`.
    """
    ahead: set[tuple[int, str]] | None = None
    for queue in queues:
        waiting = [(p.number, p.run_id) for p in queue.places() if not p.is_running]
        own = [place for place in waiting if place[1] == run_id]
        if own:
            ahead = (ahead or set()) | set(waiting[: waiting.index(own[0])])
    return None if ahead is None else len(ahead) + 1


@contextmanager
def _changing(queues: Iterable[DeviceQueue]) -> Iterator[None]:
    """`changing` for several queues, in one order: else two processes would wait for each other."""
    with ExitStack() as stack:
        for queue in sorted(queues):
            stack.enter_context(queue.changing())
        yield


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
