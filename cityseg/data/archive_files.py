"""Open zips, and zips in zips; say what a file is that is no zip, and refuse what must not be read.

A zip is a stranger's: nothing about it is believed before it was checked.
"""

import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Final

from cityseg.data.archive_names import RefusedError, decoded_name, is_metadata
from cityseg.errors import DatasetError
from cityseg.system import LFS_POINTER, LFS_START
from cityseg.wording import readable_size

#: The largest genuine file has 3 MB; polygons, the best compressible, shrink to a sixth.
MAX_ENTRY_BYTES: Final = 1 << 28
MAX_RATIO: Final = 200
_RATIO_MATTERS_FROM_BYTES: Final = 1 << 20
#: A zip hardly shrinks when it is put into another.
_MAX_RATIO_OF_ZIP: Final = 4
CHUNK_BYTES: Final = 1 << 20
#: What reading a damaged or hand-made archive raises, beyond OSError.
DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)

_METHODS: Final = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
#: Suffixes of archives that are not opened.
_OTHER_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".7z")
#: First bytes of such archives; that of tar lies further behind.
_SIGNATURES: Final = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an XZ archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
}
_TAR: Final = (257, b"ustar")
_WEB_PAGE: Final = (b"<!doctype", b"<html", b"<head", b"<?xml")
_LOOKED_AT_BYTES: Final = 4096
_QUOTED: Final = 40


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open the zip `path`; raises DatasetError if it is anything else."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DatasetError(_folder_message(path))
        if not stat.S_ISREG(mode):  # reading it might never end
            raise DatasetError(f"{path} is a pipe or a device, not a file: name a zip")
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened ({error.strerror}): name a zip") from error
    except DAMAGE as error:
        with path.open("rb") as file:
            found = _what_it_is(file.read(_LOOKED_AT_BYTES))
        raise DatasetError(f"{path} is {found}") from error
    if _overlaps(archive, path.stat().st_size):
        archive.close()
        raise DatasetError(f"{path} has overlapping entries, as only a zip bomb has: do not use it")
    return archive


def _folder_message(path: Path) -> str:
    zips = sorted(child.name for child in path.iterdir() if child.suffix.lower() == ".zip")
    if zips:
        return f"{path} is a folder: name the zips in it, such as {path / zips[0]}"
    return f"{path} is a folder, not a zip: what is unpacked is named with --data, not imported"


def _what_it_is(start: bytes) -> str:
    """What a file is that `zipfile` does not open, by its first bytes, and what to do: a clause."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return "empty: download it again" if not start else "no zip: name one"
    if start.startswith(b"PK\x03\x04"):
        return "a damaged or incomplete zip: download it again"
    if text.startswith(b"<") and any(mark in text.lower() for mark in _WEB_PAGE):
        return "a web page, not a zip: log in and download again"
    if text.startswith(LFS_START):
        return LFS_POINTER
    name = next((name for mark, name in _SIGNATURES.items() if start.startswith(mark)), None)
    if start[_TAR[0] :].startswith(_TAR[1]):
        name = "a tar archive"
    if name:
        return f"{name}, not a zip: unpack it with another program, and name the folder with --data"
    shown = text[:_QUOTED].decode("ascii", "replace").splitlines()[0]
    if shown.isascii() and shown.isprintable():
        return f"no zip but text, which begins with {shown!r}: log in and download again"
    return "no zip: name one"


# --- archives in archives --------------------------------------------------------------------


def is_zip(name: str) -> bool:
    """Whether an entry of that name is a zip."""
    return name.lower().endswith(".zip") and not is_metadata(name)


def refuse_other_archive(name: str) -> None:
    """Refuse an entry that is an archive, but no zip: it may hold wanted files."""
    if name.lower().endswith(_OTHER_ARCHIVES) and not is_metadata(name):
        raise RefusedError("it is an archive in the zip: unpack it with another program")


def open_inner_zip(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, root: Path, stack: ExitStack
) -> tuple[Path, zipfile.ZipFile]:
    """Open the zip `info` of `archive` by way of a copy beside `root`, until `stack` is closed.

    Returns it with a path for messages. Raises RefusedError if it cannot be opened.
    """
    refuse_unusable(info, _MAX_RATIO_OF_ZIP, info.file_size)
    inner_path = path / PurePosixPath(decoded_name(info)).name
    try:
        file = stack.enter_context(_copied(archive, info, root))
        start = file.read(_LOOKED_AT_BYTES)
        try:
            inner = stack.enter_context(zipfile.ZipFile(file))
        except DAMAGE as error:
            raise RefusedError(f"it is {_what_it_is(start)}", "inner zip") from error
    except (*DAMAGE, OSError) as error:
        raise RefusedError("it is damaged: download the zip again", "inner zip") from error
    if _overlaps(inner, info.file_size):
        raise RefusedError(
            "it has overlapping entries, as only a zip bomb has: do not use it", "inner zip"
        )
    return inner_path, inner


def _copied(archive: zipfile.ZipFile, info: zipfile.ZipInfo, root: Path) -> IO[bytes]:
    """A copy of an inner zip in a file without a name, which vanishes with this process."""
    folder = existing_folder(root)
    needed, free = info.file_size, shutil.disk_usage(folder).free
    if needed > free:
        raise RefusedError(
            f"opening it needs {readable_size(needed)}, and {folder} has "
            f"{readable_size(free)} free: free some space or unpack it yourself"
        )
    try:
        with ExitStack() as closing:
            file = closing.enter_context(tempfile.TemporaryFile(dir=folder))
            with archive.open(info) as content:
                shutil.copyfileobj(content, file, CHUNK_BYTES)
            file.seek(0)
            closing.pop_all()  # the caller closes it
    except OSError as error:
        raise RefusedError(
            f"it cannot be copied to {folder} ({error.strerror}): unpack it yourself"
        ) from error
    return file


def existing_folder(path: Path) -> Path:
    """The folder `path`, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


# --- what must not be read -------------------------------------------------------------------


def _overlaps(archive: zipfile.ZipFile, size: int) -> bool:
    return sum(info.compress_size for info in archive.infolist()) > size


def is_special(info: zipfile.ZipInfo) -> bool:
    """Whether the entry is a link or a device, by the mode that it was stored with."""
    mode = stat.S_IFMT(info.external_attr >> 16)
    return mode not in (0, stat.S_IFREG, stat.S_IFDIR)


def refuse_unusable(
    info: zipfile.ZipInfo, max_ratio: int = MAX_RATIO, max_bytes: int = MAX_ENTRY_BYTES
) -> None:
    """Refuse an entry that is no regular file, or cannot be unpacked."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise RefusedError("it is a link or a device, not a file: pack what it leads to")
    if info.flag_bits & 0x1:
        raise RefusedError("it is encrypted: unpack it with another program and its password")
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
