"""Folders into which archives are unpacked: room on their disks, and links that a person made."""

import errno
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cityseg.data.archive_files import existing_folder
from cityseg.data.archive_names import RefusedError
from cityseg.errors import DatasetError
from cityseg.system import check_output_folder
from cityseg.wording import readable_size

logger = logging.getLogger(__name__)

#: What a file may take on a disk beyond its bytes.
_BLOCK_BYTES: Final = 4096


def check_disks(root: Path, files: Mapping[Path, int]) -> None:
    """Check that `files` below `root`, each with its bytes, can be written, before any is.

    Links to folders that a person made on the way to them are followed, and logged. Raises
    CitysegError if `root` cannot be written or a disk is too small.
    """
    missing = {path: size for path, size in files.items() if not os.path.lexists(path)}
    if not missing:
        return
    check_output_folder(root)
    folders = {path.parent for path in missing}
    for link in _followed_links(root, folders):
        logger.warning("%s is a link: its files are written to %s", link, link.resolve())
        check_output_folder(link)
    existing = {folder: existing_folder(folder) for folder in folders}
    needed: Counter[int] = Counter()
    of_disk: dict[int, Path] = {}
    for path, size in missing.items():
        disk = existing[path.parent].stat().st_dev
        needed[disk] += size + _BLOCK_BYTES
        of_disk.setdefault(disk, existing[path.parent])
    for disk, size in needed.items():
        free = shutil.disk_usage(of_disk[disk]).free
        if size > free:
            raise DatasetError(
                f"Unpacking needs {readable_size(size)} more, and {of_disk[disk]} has "
                f"{readable_size(free)} free: free some space or choose another folder with --data"
            )


def _followed_links(root: Path, folders: Iterable[Path]) -> list[Path]:
    """The links to folders on the way from `root` to `folders`."""
    return [path for path in _below(root, folders) if path.is_symlink() and _is_folder(path)]


def _below(root: Path, folders: Iterable[Path]) -> list[Path]:
    """`folders` and the folders between them and `root`, sorted."""
    return sorted({p for each in folders for p in (each, *each.parents) if root in p.parents})


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def make_folder(folder: Path) -> None:
    """Create `folder` and those above it; raises RefusedError if anything else is in its way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
            raise
        raise RefusedError(
            f"the folder {folder} cannot be created: {_obstacle(folder)}", "folder"
        ) from error


def _obstacle(folder: Path) -> str:
    """What is in the way of a folder: a file, or a link that leads to none."""
    for path in (*reversed(folder.parents), folder):
        if os.path.lexists(path) and not _is_folder(path):
            if path.is_symlink():
                return f"{path} is a link to {path.readlink()}, which is no folder"
            return f"{path} is a file"
    return "a file or link is in its way"
