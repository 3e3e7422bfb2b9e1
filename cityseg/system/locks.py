"""Locks that end with the last process that holds them, however it ends: `flock` on open files.

A lock belongs to the open file, not to a process: it can be handed on to a child by passing the
descriptor, and is free once every process that has it has closed it or is gone.
"""

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

#: A look at a lock holds it, shared, for an instant: whoever wants it tries for this long.
PATIENCE_SECONDS: Final = 1.0

#: What `flock` says where a file system has no locks.
_WITHOUT_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class NoLocksError(OSError):
    """The file system has no locks."""


class Lock:
    """A lock that is held; `close` gives up this process's share of it."""

    def __init__(
        self, descriptor: int, *, is_inherited: bool = False, is_effective: bool = True
    ) -> None:
        """Take over an open descriptor that holds the lock."""
        self.descriptor = descriptor
        self.is_inherited = is_inherited
        self.is_effective = is_effective  # false where the file system has no locks

    @classmethod
    def take(cls, path: Path, patience_seconds: float = PATIENCE_SECONDS) -> Self:
        """Lock the file `path`, made if it is missing.

        Raises BlockingIOError if it is held all the time, or another OSError.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _flock(descriptor, patience_seconds)
        except NoLocksError:
            return cls(descriptor, is_effective=False)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @classmethod
    def inherited(cls, path: Path, descriptor: int) -> Self | None:
        """The lock on `path` that the parent handed on as `descriptor`; None if that is not it.

        What this process starts does not inherit it any more.
        """
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                with suppress(NoLocksError):
                    _flock(descriptor, 0)
                os.set_inheritable(descriptor, False)
                return cls(descriptor, is_inherited=True)
        return None

    def close(self) -> None:
        """Let go; other processes that were handed the lock keep it."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        """Hold it for a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let go."""
        self.close()


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock on `path`; raises NoLocksError or another OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _flock(descriptor, 0, fcntl.LOCK_SH)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _flock(descriptor: int, patience_seconds: float, kind: int = fcntl.LOCK_EX) -> None:
    end = time.monotonic() + patience_seconds
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.02)
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                raise NoLocksError(error.errno, error.strerror) from error
            raise
