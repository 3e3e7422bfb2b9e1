"""Unpack the Cityscapes zips into the dataset's layout: safely, and resumably.

An entry is wanted if its name ends in `<kind>/<split>/<city>/<file>`, at most two folders deep
(the Kaggle zips), and `data.dataset` would read the file. Its target path is built from these four
parts only. An existing file is compared, never overwritten; all other entries are ignored.
"""

import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from cityseg.data.dataset import ANNOTATIONS, FRAME_FILES, IMAGES, SPLITS
from cityseg.errors import DatasetError
from cityseg.system import ProgressCallback, check_output_folder, replacing

#: The largest genuine file has 3 MB; polygons, the best compressible, shrink to a sixth.
MAX_ENTRY_BYTES: Final = 1 << 28
MAX_RATIO: Final = 200
_RATIO_MATTERS_FROM_BYTES: Final = 1 << 20
#: With what `replacing` adds to it, a name of this many bytes still fits a file system.
_MAX_NAME_BYTES: Final = 200
_MAX_DEPTH: Final = 6
_CHUNK_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 4096
_UNPORTABLE: Final = frozenset('<>:"|?*')
_WINDOWS_DEVICE: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
#: What reading a damaged or hand-made archive raises, beyond OSError.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A wanted or hostile entry that was not unpacked.

    `entry` is its name and may hold control characters: print its repr. `reason` is a clause, such
    as "it is encrypted".
    """

    archive: Path
    entry: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """Counts of the archives' entries, each in one field; folders count as ignored."""

    unpacked: int = 0
    unpacked_bytes: int = 0
    already_there: int = 0
    ignored: int = 0
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    target: Path


class _RefusedError(Exception):
    """An entry must not be unpacked; the message is the reason."""


def import_archives(
    zips: Sequence[Path], root: Path, *, progress: ProgressCallback | None = None
) -> ImportReport:
    """Unpack the wanted entries of `zips` below `root`; called again, it continues.

    `progress` is called about once a mebibyte with (bytes done, total bytes), both unpacked.
    An entry that cannot be unpacked is refused with a reason, and the rest continues. Files appear
    whole, so an interrupted import leaves nothing half done.

    Raises CitysegError before anything is written if a zip cannot be opened, no entry is wanted,
    `root` cannot be written or the disk is too small; DatasetError if writing fails later.
    """
    report = ImportReport()
    root = root.resolve()
    with ExitStack() as stack:
        entries: list[_Entry] = []
        for path in zips:
            archive = stack.enter_context(_open(path))
            entries += _wanted_entries(path, archive, root, report)
        if not entries and not report.refused:
            raise DatasetError(
                f"{', '.join(map(str, zips))}: no Cityscapes file found; name "
                f"{IMAGES}_trainvaltest.zip and {ANNOTATIONS}_trainvaltest.zip"
            )
        _check_root(root, entries)
        _unpack_all(entries, root, report, progress or (lambda done, total: None))
    if report.unpacked:
        # Once for all files, not 15,000 times. After a power cut before this, the next import
        # finds damaged files by their checksums.
        os.sync()
    return report


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened ({error.strerror}): name a zip") from error
    except _DAMAGE as error:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        found = "a damaged or incomplete zip: download it again" if is_zip else "no zip: name one"
        raise DatasetError(f"{path} is {found}") from error


def _wanted_entries(
    path: Path, archive: zipfile.ZipFile, root: Path, report: ImportReport
) -> list[_Entry]:
    """List the entries to unpack; counts the others in `report`."""
    infos = archive.infolist()
    if sum(info.compress_size for info in infos) > path.stat().st_size:
        raise DatasetError(f"{path} has overlapping entries, as only a zip bomb has: do not use it")
    entries = []
    for info in infos:
        name = _decoded_name(info)
        try:
            _refuse_escape(name)
            if (target := _target(name)) is None:
                report.ignored += 1
                continue
            _refuse_unusable(info, target)
        except _RefusedError as refusal:
            report.refused.append(Refusal(path, name, str(refusal)))
        else:
            entries.append(_Entry(path, archive, info, root / target))
    return entries


def _decoded_name(info: zipfile.ZipInfo) -> str:
    """The name as stored: before `zipfile` cuts it at a NUL, and UTF-8 even without the flag."""
    if info.flag_bits & 0x800:  # "this is UTF-8"
        return info.orig_filename
    return info.orig_filename.encode("cp437").decode("utf-8", "replace")


def _refuse_escape(name: str) -> None:
    """Refuse a name that leads out of the dataset, wanted or not: its archive is hostile."""
    if "\0" in name:
        raise _RefusedError("its name contains a NUL byte")
    if "\\" in name:
        raise _RefusedError("its name contains a backslash")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise _RefusedError("its name is an absolute path")
    if ".." in name.split("/"):
        raise _RefusedError("its name leads upwards (..)")


def _target(name: str) -> Path | None:
    """The entry's path below the dataset's root; None if it is not wanted."""
    parts = PurePosixPath(name).parts
    if name.endswith("/") or not 4 <= len(parts) <= _MAX_DEPTH or "__MACOSX" in parts:
        return None
    kind, split, city, file = parts[-4:]
    if kind not in (IMAGES, ANNOTATIONS) or split not in SPLITS:
        return None
    root, suffix = os.path.splitext(file)
    is_read = any(
        tag.startswith(f"_{kind}") and root.endswith(tag) and suffix.lower() in suffixes
        for tag, suffixes in FRAME_FILES.values()
    )
    return Path(kind, split, city, file) if is_read and "." not in (city[0], file[0]) else None


def _refuse_unusable(info: zipfile.ZipInfo, target: Path) -> None:
    """Refuse a wanted entry that is no regular file, or not safe to write on every system."""
    for part in target.parts:
        if "\ufffd" in part:
            raise _RefusedError("its name is not UTF-8")
        if not part.isprintable() or set(part) & _UNPORTABLE or part != part.rstrip(" ."):
            raise _RefusedError("its name has characters that some systems cannot store")
        if _WINDOWS_DEVICE.fullmatch(part):
            raise _RefusedError("its name is that of a Windows device")
        if len(part.encode()) > _MAX_NAME_BYTES:
            raise _RefusedError("its name is too long")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _RefusedError("it is a link or a device, not a file")
    if info.flag_bits & 0x1:
        raise _RefusedError("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError(f"its compression (method {info.compress_type}) is not supported")
    plausible = max(_RATIO_MATTERS_FROM_BYTES, MAX_RATIO * info.compress_size)
    if info.file_size > min(plausible, MAX_ENTRY_BYTES):
        raise _RefusedError(
            f"it would unpack from {info.compress_size} to {info.file_size} bytes: a zip bomb"
        )


def _check_root(root: Path, entries: Sequence[_Entry]) -> None:
    """Raise CitysegError if `root` cannot be written or its disk is too small."""
    missing = [entry for entry in entries if not os.path.lexists(entry.target)]
    if not missing:
        return
    check_output_folder(root)
    sizes = {entry.target: entry.info.file_size + _BLOCK_BYTES for entry in missing}
    existing = next(path for path in (root, *root.parents) if path.exists())
    needed, free = sum(sizes.values()), shutil.disk_usage(existing).free
    if needed > free:
        raise DatasetError(
            f"Unpacking needs {needed / 1e9:.2f} GB more, and {existing} has {free / 1e9:.2f} GB "
            "free: free some space or choose another folder with --data"
        )


def _unpack_all(
    entries: Sequence[_Entry], root: Path, report: ImportReport, progress: ProgressCallback
) -> None:
    total = sum(entry.info.file_size for entry in entries)
    before = 0
    for entry in entries:

        def advance(done_here: int, before: int = before) -> None:
            progress(before + done_here, total)

        try:
            if _unpack(entry, root, advance):
                report.unpacked += 1
                report.unpacked_bytes += entry.info.file_size
            else:
                report.already_there += 1
        except _RefusedError as refusal:
            report.refused.append(Refusal(entry.path, _decoded_name(entry.info), str(refusal)))
        except OSError as error:
            raise DatasetError(
                f"{entry.target} cannot be written ({error.strerror}); {report.unpacked} files "
                "were unpacked and are kept: run the same command again to continue"
            ) from error
        before += entry.info.file_size
        progress(before, total)


def _unpack(entry: _Entry, root: Path, advance: Callable[[int], None]) -> bool:
    """Write the entry's file; False if the same file exists already."""
    _make_folder(entry.target.parent, root)
    if os.path.lexists(entry.target):
        if not _is_same(entry.target, entry.info, advance):
            raise _RefusedError("a different file exists already and was kept")
        return False
    done = 0
    with replacing(entry.target, durable=False) as file:
        for chunk in _chunks(entry):
            file.write(chunk)
            done += len(chunk)
            advance(done)
        if done != entry.info.file_size:
            raise _RefusedError(f"it has {done} bytes, not {entry.info.file_size} as declared")
    return True


def _make_folder(folder: Path, root: Path) -> None:
    # Resolved before it is created: a link on the way must not lead out of the root.
    try:
        if not folder.resolve().is_relative_to(root):
            raise _RefusedError(f"{folder} leads outside {root}")
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, RuntimeError) as error:  # the last: a link loop
        raise _RefusedError(
            f"the folder {folder} cannot be created: a file or link is in its way"
        ) from error


def _is_same(path: Path, info: zipfile.ZipInfo, advance: Callable[[int], None]) -> bool:
    """Compare size and CRC-32: reading 11 GB back is quicker than inflating it again."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != info.file_size:
            return False
        crc = done = 0
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                crc = zlib.crc32(chunk, crc)
                done += len(chunk)
                advance(done)
    except OSError as error:
        raise _RefusedError(f"the existing file cannot be read ({error.strerror})") from error
    return crc == info.CRC


def _chunks(entry: _Entry) -> Iterator[bytes]:
    """The entry's bytes; `zipfile` yields no more than declared and checks the CRC at the end."""
    try:
        with entry.archive.open(entry.info) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (*_DAMAGE, OSError) as error:
        raise _RefusedError(f"it is damaged: {error}") from error
