"""Whether results can be written to a path, found out before the work that they come from."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cityseg.errors import CitysegError
from cityseg.system.files import sync_folder


def check_output_file(path: Path) -> None:
    """Raise CitysegError if no file can be written to `path`; creates nothing.

    Folders that are missing on the way to it count as writable where they could be created.
    """
    if path.is_dir():
        raise CitysegError(f"Cannot write to {path}: it is a folder; name a file in it")
    check_output_folder(path.parent)


def check_output_folder(folder: Path) -> None:
    """Raise CitysegError if no file can be written to `folder`; creates nothing.

    A folder that is missing counts as writable where it could be created.
    """
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    try:
        # Permissions would not do: root passes them all, and they say nothing of a read-only disk.
        with tempfile.TemporaryFile(dir=existing):
            return
    except OSError as error:
        raise CitysegError(
            f"Cannot write to {folder}: {error.strerror} at {existing}; choose another folder"
        ) from error


def check_new_folder(folder: Path) -> None:
    """Raise CitysegError if `new_folder` cannot create `folder`, or there is something in it."""
    if folder.is_dir():
        if any(folder.iterdir()):
            raise CitysegError(f"Cannot write to {folder}: it is not empty; name a new folder")
    elif os.path.lexists(folder):
        raise CitysegError(f"Cannot write to {folder}: it is no folder; name a new folder")
    check_output_folder(folder.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder that becomes `folder` at the end of the block, and vanishes if that fails.

    Raises CitysegError as `check_new_folder` does, and for an OSError in the block.
    """
    check_new_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    try:
        partial.mkdir()
        yield partial
        partial.rename(folder)  # also in place of an empty one
        sync_folder(folder.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise CitysegError(
                f"Cannot write to {folder} ({error.strerror}): nothing was kept of it"
            ) from error
        raise
