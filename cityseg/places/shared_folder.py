"""What a folder that several machines share must offer: locks that count for all, and renames."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from cityseg.errors import PlaceError
from cityseg.system import Lock, is_held

#: Mount options of NFS and Lustre that keep locks from other machines.
_LOCAL_LOCKS: Final = ("local_lock=all", "local_lock=flock", "nolock", "localflock")
#: File systems that no other machine can see. Others may be local as well.
_LOCAL_KINDS: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "ramfs", "overlay")


def check_shared(folder: Path) -> str:
    """A sentence on the file system of `folder`, whose locks and renames were tried.

    Raises PlaceError if processes of two machines could work on the same files there, or if a file
    cannot be replaced. Whether other machines see the folder at all shows only there.
    """
    mounted_at, kind, options = _mount(folder)
    try:
        with TemporaryDirectory(".part", ".shared-", folder) as name:
            has_locks = _has_locks(Path(name))
            _replace_a_file(Path(name))
    except OSError as error:
        raise PlaceError(
            f"Files in {folder} cannot be written and renamed ({error.strerror}): choose a folder "
            "on another file system, or check its permissions and free space"
        ) from error
    if not has_locks:
        raise PlaceError(
            f"The file system of {folder} ({kind}) has no locks, so two machines could train one "
            "run: choose a folder on another one, or have it mounted with the option flock"
        )
    if found := [each for each in _LOCAL_LOCKS if each in options]:
        raise PlaceError(
            f"The file system of {folder} ({kind}) is mounted with {found[0]}, so two machines "
            "could train one run: choose a folder on another one, or have it mounted without"
        )
    sentence = f"Locks and renames work in {folder} ({kind} at {mounted_at})"
    if kind not in _LOCAL_KINDS:
        return f"{sentence}."
    return (
        f"{sentence}, which is usually this machine's alone: jobs on other machines fail if they "
        "do not see that folder under the same path."
    )


def _has_locks(folder: Path) -> bool:
    """Whether a lock that is held is seen through another open file."""
    with Lock.take(folder / "lock") as lock:
        return lock.is_effective and is_held(folder / "lock")


def _replace_a_file(folder: Path) -> None:
    for name in ("old", "new"):
        (folder / name).touch()
    (folder / "new").rename(folder / "old")


def _mount(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    """Where the file system of `folder` is mounted, its kind and its options; empty if unknown."""
    path = folder.resolve()
    best: tuple[str, str, tuple[str, ...]] = ("", "an unknown file system", ())
    for each in psutil.disk_partitions(all=True):
        # Of two at one place, the later one lies on top.
        if path.is_relative_to(each.mountpoint) and len(each.mountpoint) >= len(best[0]):
            best = (each.mountpoint, each.fstype, tuple(each.opts.split(",")))
    return best
