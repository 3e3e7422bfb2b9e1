"""Unpack the Cityscapes zips into the dataset's layout: safely, and resumably.

`archive_names` says which entries are wanted, and where they belong. A zip in a zip is opened too,
one level deep (`archive_files`). An existing file is compared, never overwritten. No entry becomes
a link, so a link in the dataset is a person's, and is followed. Entries that look like files of
Cityscapes and are not read are reported; all others are ignored.
"""

import os
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cityseg.data.archive_files import (
    CHUNK_BYTES,
    DAMAGE,
    is_special,
    is_zip,
    open_inner_zip,
    open_zip,
    refuse_other_archive,
    refuse_unusable,
)
from cityseg.data.archive_folders import check_disks, make_folder
from cityseg.data.archive_names import (
    RefusedError,
    Target,
    decoded_name,
    is_below_top,
    is_metadata,
    refuse_escape,
    refuse_unportable,
    target,
    what_they_are,
)
from cityseg.errors import DatasetError
from cityseg.system import ProgressCallback, replacing


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


class _Archive(NamedTuple):
    path: Path
    zip: zipfile.ZipFile
    is_inner: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    wanted: Target
    root: Path

    @property
    def target(self) -> Path:
        return self.root / self.wanted.path


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
        outer = [_Archive(path, stack.enter_context(open_zip(path))) for path in zips]
        archives = [each for one in outer for each in _with_inner(one, root, report, stack)]
        entries = [entry for one in archives for entry in _wanted_entries(one, root, report)]
        if not entries and not report.refused:
            names = [decoded_name(info) for one in archives for info in one.zip.infolist()]
            raise DatasetError(
                f"{', '.join(map(str, zips))}: no file of Cityscapes found, but "
                f"{what_they_are(names)}"
            )
        entries = _without_needless(entries, report)
        check_disks(root, {entry.target: entry.info.file_size for entry in entries})
        _unpack_all(entries, report, progress or (lambda done, total: None))
    if report.unpacked:
        # Once for all files, not 15,000 times. After a power cut before this, the next import
        # finds damaged files by their checksums.
        os.sync()
    return report


def _with_inner(
    outer: _Archive, root: Path, report: ImportReport, stack: ExitStack
) -> Iterator[_Archive]:
    """An archive and the zips in it; those that cannot be opened are refused."""
    yield outer
    for info in outer.zip.infolist():
        name = decoded_name(info)
        if not is_zip(name):
            continue
        try:
            refuse_escape(name)
            yield _Archive(*open_inner_zip(outer.path, outer.zip, info, root, stack), is_inner=True)
        except RefusedError as refusal:
            report.refused.append(Refusal(outer.path, name, str(refusal), refusal.kind))


def _wanted_entries(archive: _Archive, root: Path, report: ImportReport) -> list[_Entry]:
    """List the entries to unpack; counts the others in `report`."""
    entries = []
    for info in archive.zip.infolist():
        name = decoded_name(info)
        if is_zip(name) and not archive.is_inner:
            continue  # it was opened or refused
        try:
            refuse_escape(name)
            _refuse_archives_and_links(info, name)
            if (wanted := target(name)) is None:
                report.ignored += 1
                continue
            refuse_unportable(wanted.path)
            refuse_unusable(info)
        except RefusedError as refusal:
            report.refused.append(Refusal(archive.path, name, str(refusal), refusal.kind))
        else:
            entries.append(_Entry(archive.path, archive.zip, info, wanted, root))
    return entries


def _refuse_archives_and_links(info: zipfile.ZipInfo, name: str) -> None:
    """Refuse an entry behind which wanted files may lie."""
    if is_zip(name):
        raise RefusedError("it is a zip in a zip in a zip: unpack it first")
    refuse_other_archive(name)
    if is_special(info) and is_below_top(name) and not is_metadata(name):
        raise RefusedError("it is a link or a device, not a file: pack what it leads to")


def _without_needless(entries: Sequence[_Entry], report: ImportReport) -> list[_Entry]:
    """Leave train ids and colours out where there are label ids or polygons of the frame."""
    annotated = {entry.wanted.frame for entry in entries if entry.wanted.is_annotation}
    needed = [
        entry
        for entry in entries
        if not (entry.wanted.is_substitute and entry.wanted.frame in annotated)
    ]
    report.ignored += len(entries) - len(needed)
    return needed


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
    make_folder(entry.target.parent)
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


def _is_same(path: Path, info: zipfile.ZipInfo, advance: Callable[[int], None]) -> bool:
    """Compare size and CRC-32: reading 11 GB back is quicker than inflating it again."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != info.file_size:
            return False
        crc = done = 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
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
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (*DAMAGE, OSError) as error:
        raise RefusedError("it is damaged: download the zip again", "damaged") from error
