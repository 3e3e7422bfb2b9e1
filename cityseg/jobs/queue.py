"""Who may train on a device: a queue for each GPU of this machine, and one for its CPU.

A queue is a folder. Whoever takes part has a ticket file there, `<number>-<run id>.waiting` or
`.running`, and holds a lock on it: a ticket whose owner is gone counts no longer, however it went,
and is removed by the next who comes. The trainer inherits the lock, so that the device is not
taken from it when its supervisor dies.
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

#: Where the queues are kept, in place of a folder of this user's among the temporary files.
QUEUE_VARIABLE: Final = "CITYSEG_QUEUE"
#: Tells a process which of its open descriptors holds its ticket.
TICKET_VARIABLE: Final = "CITYSEG_TICKET"

#: How long another process may take to change a queue.
_PATIENCE_SECONDS: Final = 30.0
_TICKET: Final = re.compile(r"([0-9]{12})-([a-z0-9][a-z0-9-]*)\.(waiting|running)")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One who takes part; places sort in the order of their coming."""

    number: int
    run_id: str
    is_running: bool
    path: Path


class Ticket:
    """A place in a queue, held by this process and those it hands the lock on to."""

    def __init__(self, path: Path, lock: Lock) -> None:
        """Of a ticket file that is locked."""
        self._path, self.lock = path, lock

    @classmethod
    def inherited(cls) -> Self | None:
        """The ticket that the parent handed on; None if it handed on none."""
        descriptor = os.environ.pop(TICKET_VARIABLE, "")
        try:
            path = Path(f"/proc/self/fd/{int(descriptor)}").readlink()
        except (OSError, ValueError):
            return None
        lock = Lock.inherited(path, int(descriptor)) if _TICKET.fullmatch(path.name) else None
        return cls(path, lock) if lock else None

    def try_start(self) -> bool:
        """Begin to run if nobody runs and nobody came before; whether this one runs now.

        Raises RunError if the queue is gone.
        """
        if self._path.suffix == ".running":
            return True
        queue = DeviceQueue(self._path.parent)
        with queue.changing():
            places = queue.places()
            if any(place.is_running for place in places) or places[0].path != self._path:
                return False
            running = self._path.with_suffix(".running")
            self._path.rename(running)
            self._path = running
            return True

    def keep_fresh(self) -> None:
        """Show those who clear away old temporary files that this one is in use."""
        os.utime(self.lock.descriptor)

    def leave(self) -> None:
        """Give the place up, for all who hold it."""
        with suppress(OSError):
            self._path.unlink()
        self.lock.close()


@dataclass(frozen=True, slots=True)
class DeviceQueue:
    """The queue in one folder."""

    folder: Path

    @classmethod
    def of(cls, device: str) -> Self:
        """The queue for the device with this key; raises RunError if it cannot be used."""
        root = queues_folder()
        try:
            root.mkdir(mode=0o700, exist_ok=True, parents=True)
            found = root.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise RunError(
                    f"{root} is a link or another user's, so it cannot hold the queue of runs: "
                    f"remove it or set {QUEUE_VARIABLE} to another folder"
                )
            (root / device).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _unusable(root, error) from error
        return cls(root / device)

    def join(self, run_id: str, *, at_once: bool) -> Ticket:
        """Take the last place, or one among the running; raises RunError."""
        with self.changing():
            number = max((place.number for place in self.places()), default=0) + 1
            name = f"{number:012d}-{run_id}.{'running' if at_once else 'waiting'}"
            path = self.folder / name
            lock = Lock.take(path.with_name(f".{name}"))  # before anybody can find it free
            path.with_name(f".{name}").rename(path)
        return Ticket(path, lock)

    def places(self) -> list[Place]:
        """Those who take part now, in the order of their coming."""
        return sorted(
            Place(int(match[1]), match[2], match[3] == "running", path)
            for path in self.folder.glob("[!.]*")
            if (match := _TICKET.fullmatch(path.name)) and _is_taken(path)
        )

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only one to change the queue, after clearing it of those who are gone."""
        try:
            with Lock.take(self.folder / ".mutex", _PATIENCE_SECONDS) as mutex:
                if not mutex.is_effective:
                    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
                for path in self.folder.iterdir():
                    if _TICKET.fullmatch(path.name.removeprefix(".")) and not _is_taken(path):
                        path.unlink(missing_ok=True)
                yield
        except OSError as error:
            raise _unusable(self.folder, error) from error


def queues_folder() -> Path:
    """`$CITYSEG_QUEUE`, or a folder of this user's among the temporary files."""
    named = os.environ.get(QUEUE_VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"cityseg-{os.getuid()}"


def _is_taken(path: Path) -> bool:
    try:
        return is_held(path)
    except OSError:
        return False


def _unusable(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"the queue of runs cannot be kept in {folder} ({error.strerror}): "
        f"mend that or set {QUEUE_VARIABLE} to another folder"
    )
