"""Unpack the Cityscapes zips into the dataset's layout: safely, and resumably.

`archive_names` says which entries are wanted, and where they belong. A zip in a zip is opened too,
one level deep. An existing file is compared, never overwritten. No entry becomes a link, so a link
in the dataset is a person's, and is followed. Entries that look like files of Cityscapes and are
not read are reported; all others are ignored.
"""

import errno
import logging
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final

from cityseg.data.archive_names import (
    RefusedError,
    decoded_name,
    is_metadata,
    refuse_escape,
    refuse_unportable,
    target,
)
from cityseg.data.layouts import ANNOTATIONS, IMAGES
from cityseg.errors import DatasetError
from cityseg.system import ProgressCallback, check_output_folder, replacing

logger = logging.getLogger(__name__)

#: The largest genuine file has 3 MB; polygons, the best compressible, shrink to a sixth.
MAX_ENTRY_BYTES: Final = 1 << 28
MAX_RATIO: Final = 200
_RATIO_MATTERS_FROM_BYTES: Final = 1 << 20
#: A zip hardly shrinks when it is put into another.
_MAX_RATIO_OF_ZIP: Final = 4
_CHUNK_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 4096
_METHODS: Final = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
_WEB_PAGE: Final = (b"<!doctype", b"<html", b"<head", b"<?xml")
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
    as "it is encrypted"; refusals of one `kind` differ only in details.
    """

    archive: Path
    entry: str
    reason: str
    kind: str


@dataclass(slots=True)
class ImportReport:
    """Counts of the archives' entries, each in one field; folders count as ignored."""

    unpacked: int = 0
    unpacked_bytes: int = 0
    already_there: int = 0
    ignored: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def refusals(self) -> list[str]:
        """One sentence for each archive and kind of refusal, with a count and an example."""
        counts = Counter((refusal.archive, refusal.kind) for refusal in self.refused)
        examples = {(refusal.archive, refusal.kind): refusal for refusal in reversed(self.refused)}
        return [
            f"{archive}: {count} {'file was' if count == 1 else 'files were'} left, such as "
            f"{examples[archive, kind].entry!r}: {examples[archive, kind].reason}."
            for (archive, kind), count in counts.items()
        ]


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    target: Path


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
            _check_overlap(path, archive, path.stat().st_size)
            entries += _wanted_entries(path, archive, root, report)
            for inner_path, inner in _inner_archives(path, archive, root, report, stack):
                entries += _wanted_entries(inner_path, inner, root, report, inner=True)
        if not entries and not report.refused:
            raise DatasetError(
                f"{', '.join(map(str, zips))}: no Cityscapes file found; name "
                f"{IMAGES}_trainvaltest.zip and {ANNOTATIONS}_trainvaltest.zip"
            )
        _check_root(root, entries)
        _unpack_all(entries, report, progress or (lambda done, total: None))
    if report.unpacked:
        # Once for all files, not 15,000 times. After a power cut before this, the next import
        # finds damaged files by their checksums.
        os.sync()
    return report


def _open(path: Path) -> zipfile.ZipFile:
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading it might never end
            raise DatasetError(f"{path} is a pipe or a device, not a file: name a zip")
        return zipfile.ZipFile(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened ({error.strerror}): name a zip") from error
    except _DAMAGE as error:
        with path.open("rb") as file:
            start = file.read(512)
        if start.startswith(b"PK\x03\x04"):
            found = "a damaged or incomplete zip: download it again"
        elif start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_WEB_PAGE):
            found = "a web page, not a zip: log in and download again"
        else:
            found = "no zip: name one"
        raise DatasetError(f"{path} is {found}") from error


def _inner_archives(
    path: Path, archive: zipfile.ZipFile, root: Path, report: ImportReport, stack: ExitStack
) -> Iterator[tuple[Path, zipfile.ZipFile]]:
    """Open each zip in `archive`, with a path for messages; what cannot be opened is refused."""
    for info in archive.infolist():
        name = decoded_name(info)
        if not _is_zip(name) or any(refusal.entry == name for refusal in report.refused):
            continue
        report.ignored -= 1  # it was counted among the entries of its archive
        try:
            _refuse_unusable(info, _MAX_RATIO_OF_ZIP, info.file_size)
            file = stack.enter_context(_copied(archive, info, root))
            inner = stack.enter_context(zipfile.ZipFile(file))
            _check_overlap(path / PurePosixPath(name).name, inner, info.file_size)
        except (*_DAMAGE, OSError, DatasetError, RefusedError) as error:
            reason = str(error) if isinstance(error, RefusedError) else f"it is damaged: {error}"
            report.refused.append(Refusal(path, name, reason, "inner zip"))
        else:
            yield path / PurePosixPath(name).name, inner


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip") and not is_metadata(name)


def _copied(archive: zipfile.ZipFile, info: zipfile.ZipInfo, root: Path) -> IO[bytes]:
    """A copy of an inner zip in a file without a name, which vanishes with this process."""
    folder = _existing(root)
    needed, free = info.file_size, shutil.disk_usage(folder).free
    if needed > free:
        raise RefusedError(
            f"opening it needs {needed / 1e9:.2f} GB, and {folder} has {free / 1e9:.2f} GB free: "
            "free some space or unpack it yourself"
        )
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
        with archive.open(info) as content:
            shutil.copyfileobj(content, file, _CHUNK_BYTES)
    except OSError as error:
        raise RefusedError(
            f"it cannot be copied to {folder} ({error.strerror}): unpack it yourself"
        ) from error
    return file


def _existing(path: Path) -> Path:
    """The folder `path`, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _check_overlap(path: Path, archive: zipfile.ZipFile, size: int) -> None:
    if sum(info.compress_size for info in archive.infolist()) > size:
        raise DatasetError(f"{path} has overlapping entries, as only a zip bomb has: do not use it")


def _wanted_entries(
    path: Path, archive: zipfile.ZipFile, root: Path, report: ImportReport, *, inner: bool = False
) -> list[_Entry]:
    """List the entries to unpack; counts the others in `report`."""
    entries = []
    for info in archive.infolist():
        name = decoded_name(info)
        try:
            refuse_escape(name)
            if inner and _is_zip(name):
                raise RefusedError("it is a zip in a zip in a zip: unpack it first")
            if (place := target(name)) is None:
                report.ignored += 1
                continue
            refuse_unportable(place)
            _refuse_unusable(info, MAX_RATIO, MAX_ENTRY_BYTES)
        except RefusedError as refusal:
            report.refused.append(Refusal(path, name, str(refusal), refusal.kind))
        else:
            entries.append(_Entry(path, archive, info, root / place))
    return entries


def _refuse_unusable(info: zipfile.ZipInfo, max_ratio: int, max_bytes: int) -> None:
    """Refuse an entry that is no regular file, or cannot be unpacked."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise RefusedError("it is a link or a device, not a file")
    if info.flag_bits & 0x1:
        raise RefusedError("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = _METHODS.get(info.compress_type, "unknown")
        raise RefusedError(
            f"its compression ({method}, method {info.compress_type}) is not supported: unpack the "
            "zip with the program that made it"
        )
    plausible = max(_RATIO_MATTERS_FROM_BYTES, max_ratio * info.compress_size)
    if info.file_size > min(plausible, max_bytes):
        raise RefusedError(
            f"it would unpack from {info.compress_size} to {info.file_size} bytes: a zip bomb",
            "zip bomb",
        )


def _check_root(root: Path, entries: Sequence[_Entry]) -> None:
    """Raise CitysegError if `root` cannot be written or a disk below it is too small."""
    missing = [entry for entry in entries if not os.path.lexists(entry.target)]
    if not missing:
        return
    check_output_folder(root)
    folders = {entry.target.parent for entry in missing}
    for link in _followed_links(root, folders):
        logger.warning("%s is a link: its files are written to %s", link, link.resolve())
        check_output_folder(link)
    existing = {folder: _existing(folder) for folder in folders}
    sizes = {entry.target: entry.info.file_size + _BLOCK_BYTES for entry in missing}
    needed: Counter[int] = Counter()
    of_disk: dict[int, Path] = {}
    for path, size in sizes.items():
        disk = existing[path.parent].stat().st_dev
        needed[disk] += size
        of_disk.setdefault(disk, existing[path.parent])
    for disk, size in needed.items():
        free = shutil.disk_usage(of_disk[disk]).free
        if size > free:
            raise DatasetError(
                f"Unpacking needs {size / 1e9:.2f} GB more, and {of_disk[disk]} has "
                f"{free / 1e9:.2f} GB free: free some space or choose another folder with --data"
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


def _unpack_all(
    entries: Sequence[_Entry], report: ImportReport, progress: ProgressCallback
) -> None:
    total = sum(entry.info.file_size for entry in entries)
    before = 0
    for entry in entries:

        def advance(done_here: int, before: int = before) -> None:
            progress(before + done_here, total)

        try:
            if _unpack(entry, advance):
                report.unpacked += 1
                report.unpacked_bytes += entry.info.file_size
            else:
                report.already_there += 1
        except RefusedError as refusal:
            name = decoded_name(entry.info)
            report.refused.append(Refusal(entry.path, name, str(refusal), refusal.kind))
        except OSError as error:
            raise DatasetError(
                f"{entry.target} cannot be written ({error.strerror}); {report.unpacked} files "
                "were unpacked and are kept: run the same command again to continue"
            ) from error
        before += entry.info.file_size
        progress(before, total)


def _unpack(entry: _Entry, advance: Callable[[int], None]) -> bool:
    """Write the entry's file; False if the same file exists already."""
    _make_folder(entry.target.parent)
    if os.path.lexists(entry.target):
        if not _is_same(entry.target, entry.info, advance):
            raise RefusedError("a different file exists already and was kept")
        return False
    done = 0
    with replacing(entry.target, durable=False) as file:
        for chunk in _chunks(entry):
            file.write(chunk)
            done += len(chunk)
            advance(done)
        if done != entry.info.file_size:
            raise RefusedError(
                f"it has {done} bytes, not {entry.info.file_size} as declared", "size"
            )
    return True


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
            raise
        raise RefusedError(
            f"the folder {folder} cannot be created: a file or link is in its way", "folder"
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
        raise RefusedError(
            f"the existing file cannot be read ({error.strerror})", "unreadable"
        ) from error
    return crc == info.CRC


def _chunks(entry: _Entry) -> Iterator[bytes]:
    """The entry's bytes; `zipfile` yields no more than declared and checks the CRC at the end."""
    try:
        with entry.archive.open(entry.info) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (*_DAMAGE, OSError) as error:
        raise RefusedError(f"it is damaged: {error}", "damaged") from error
