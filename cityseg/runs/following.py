"""A run whose folder may be renamed while a process works on it.

Files are opened by their paths, which end with a rename. The descriptor of the folder does not.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cityseg.runs.folder import RunDir


class FollowedRun(RunDir):
    """A run that looks for its folder's present path whenever a file is named."""

    __slots__ = ("_descriptor", "_known")

    def __init__(self, path: Path, descriptor: int) -> None:
        """Follow the folder `path`, open as `descriptor`."""
        # The base is frozen, and its only field is a property here.
        object.__setattr__(self, "_known", path)
        object.__setattr__(self, "_descriptor", descriptor)

    @property
    def path(self) -> Path:
        """The folder's path now; the last known one if it was removed."""
        known: Path = object.__getattribute__(self, "_known")
        descriptor: int = object.__getattribute__(self, "_descriptor")
        if descriptor >= 0 and not _is_at(known, descriptor):
            found = Path(f"/proc/self/fd/{descriptor}").readlink()
            if _is_at(found, descriptor):
                object.__setattr__(self, "_known", found)
                return found
        return known

    @property
    def constant_path(self) -> Path:
        """A path that leads to the folder, whatever it is called, while this process follows it.

        For other processes of this user, too.
        """
        return Path(f"/proc/{os.getpid()}/fd/{object.__getattribute__(self, '_descriptor')}")

    def stay(self) -> None:
        """Stop following, before the descriptor is closed."""
        known = self.path
        object.__setattr__(self, "_descriptor", -1)
        object.__setattr__(self, "_known", known)


@contextmanager
def following(run: RunDir) -> Iterator[FollowedRun]:
    """`run` for the duration of the block, in which its folder may be renamed.

    Raises OSError if the folder cannot be opened.
    """
    descriptor = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    followed = FollowedRun(run.path, descriptor)
    try:
        yield followed
    finally:
        followed.stay()
        os.close(descriptor)


def survive_rename(run: RunDir, write: Callable[[], None]) -> None:
    """Call `write`, and once more if the folder of `run` was renamed meanwhile."""
    before = run.path
    try:
        write()
    except FileNotFoundError:
        if run.path == before:
            raise
        write()


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
