"""Whether results can be written to a path, found out before the work that they come from."""

import os
import tempfile
from pathlib import Path

from cityseg.errors import CitysegError


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
