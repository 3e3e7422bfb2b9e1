"""Advisory locks (`flock`) that end with the last process that holds them, however it ends.

Such a lock belongs to the open file, not to a process: it is handed on to a child by passing the
descriptor, and is free once every process that has the descriptor has closed it or has ended.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

#: `is_held` takes a shared lock for an instant, which must not make `Lock.take` fail.
PATIENCE_SECONDS: Final = 1.0

_POLL_SECONDS: Final = 0.02
#: Errors of `flock` on a file system without locks.
_WITHOUT_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class NoLocksError(OSError):
    """The file system has no locks."""


class Lock:
    """A lock that this process holds, perhaps together with others that it was handed on to.

    Where the file system has no locks, `is_effective` is false and no process is kept out. The
    caller then continues alone, finds out in another way, or refuses, as its work requires.
    """

    def __init__(
        self, descriptor: int, *, is_inherited: bool = False, is_effective: bool = True
    ) -> None:
        """Take over an open descriptor that holds the lock."""
        self.descriptor = descriptor
        self.is_inherited = is_inherited
        self.is_effective = is_effective

    @classmethod
    def take(
        cls,
        path: Path,
        patience_seconds: float = PATIENCE_SECONDS,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Self:
        """Lock the file `path`, which is created if it is missing.

        `patience_seconds` may be `math.inf`. `on_wait` is called again and again while another
        process holds the lock; what it raises ends the wait.

        Raises BlockingIOError if the lock was not free in time, or another OSError.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return cls._take(descriptor, patience_seconds, on_wait)

    @classmethod
    def take_folder(cls, folder: Path, patience_seconds: float = PATIENCE_SECONDS) -> Self:
        """Lock the folder itself, so that no file is needed; else as `take`."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return cls._take(descriptor, patience_seconds)

    @classmethod
    def _take(
        cls,
        descriptor: int,
        patience_seconds: float,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Self:
        try:
            _wait_for(descriptor, patience_seconds, on_wait)
        except NoLocksError:
            return cls(descriptor, is_effective=False)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @classmethod
    def inherited(cls, path: Path, descriptor: int) -> Self | None:
        """The lock on `path` that the parent handed on as `descriptor`; None if it is another file.

        Processes that this one starts do not inherit it unless it is handed on again.
        """
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                with suppress(NoLocksError):
                    _flock(descriptor, fcntl.LOCK_EX)
                os.set_inheritable(descriptor, False)
                return cls(descriptor, is_inherited=True)
        return None

    def close(self) -> None:
        """Release the lock, unless other processes hold it too."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        """Hold the lock for a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Release the lock."""
        self.close()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock on `path`; raises NoLocksError or another OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _flock(descriptor, fcntl.LOCK_SH)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _wait_for(descriptor: int, patience_seconds: float, on_wait: Callable[[], None]) -> None:
    end = time.monotonic() + patience_seconds
    while True:
        try:
            _flock(descriptor, fcntl.LOCK_EX)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            on_wait()
            time.sleep(_POLL_SECONDS)


def _flock(descriptor: int, kind: int) -> None:
    """Lock without waiting; raises BlockingIOError, NoLocksError or another OSError."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            raise NoLocksError(error.errno, error.strerror) from error
        raise
