"""Files that appear whole or not at all, whether a file has changed, and reading within limits."""

import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from cityseg.errors import CitysegError
from cityseg.system.json_values import JsonError, Shape, parse_as, parse_json

#: The most bytes that are read of a JSON file, which takes some thirty times as many in memory.
SMALL: Final = 1 << 20
#: Of a file with an entry for each frame: hundreds of thousands of frames fit.
LARGE: Final = 1 << 28
#: How the small text begins that Git LFS leaves in the place of a file, and what it is, in words.
LFS_START: Final = b"version https://git-lfs"
LFS_POINTER: Final = "only a pointer of Git LFS: fetch the file (git lfs pull)"
_CHUNK: Final = 1 << 18
_UNFINISHED: Final = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.part", re.DOTALL)

#: Of a file: size in bytes, modification time in nanoseconds.
Stamp = tuple[int, int]


def file_stamp(path: Path) -> Stamp:
    """Read the stamp by which a change of the file is noticed. Raises OSError."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def read_regular_file(path: Path, most_bytes: int | None = None) -> bytes:
    """Read a file; raises OSError if it cannot be read, and for a pipe or a device at once.

    A file of more than `most_bytes` is an OSError with errno EFBIG.
    """
    check_regular(path)
    if most_bytes is None:
        return path.read_bytes()
    content = read_at_most(path, most_bytes)
    if content is None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def check_regular(path: Path) -> None:
    """Raise OSError for a pipe or a device, of which reading might never end, or without a file."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "It is a pipe or a device", str(path))


def file_digest(path: Path) -> str:
    """16 hexadecimal digits that stand for the content of a file; empty if it cannot be read."""
    try:
        return hashlib.blake2b(read_regular_file(path), digest_size=8).hexdigest()
    except OSError:
        return ""


def read_at_most(path: Path, most_bytes: int) -> bytes | None:
    """The bytes of a file; None if there are more, as in a device without an end. Raises OSError.

    Pipes are read, so that a shell can hand over a list that it makes.
    """
    content = bytearray()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):  # to ask for all at once reserves that much memory
            content += chunk
            if len(content) > most_bytes:
                return None
    return bytes(content)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` when the block ends without an error.

    It is written under a hidden name in the same folder, synced to disk and renamed. With `durable`
    false it is not synced: a power cut may lose it, a crash may not. After an error the new file is
    removed; an OSError of writing it names `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # of a broken disk: the first error says what happened
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    if durable:
        sync_folder(path.parent)


def remove_unfinished(paths: Iterable[Path]) -> None:
    """Remove what writers of `paths` that were killed have left beside them; raises OSError.

    No process may be writing one of `paths` meanwhile.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    for folder, own in names.items():
        for unfinished in folder.glob(".*.part"):
            if is_unfinished(unfinished.name) and unfinished.name[1:].rsplit(".", 2)[0] in own:
                unfinished.unlink(missing_ok=True)


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is one that `replacing` has not finished."""
    return _UNFINISHED.fullmatch(name) is not None


def is_listed(path: Path) -> bool:
    """Whether a file is there, by the names in its folder, which are asked for each time.

    Asked by its path, NFS may answer for up to a minute that there is none.
    """
    try:
        return path.name in os.listdir(path.parent)
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write `value` as strict JSON (no NaN), whole or not at all; `durable` as for `replacing`."""
    text = json.dumps(value, indent=1, allow_nan=False)
    with replacing(path, durable=durable) as file:
        file.write(text.encode() + b"\n")


def read_model(
    path: Path,
    shape: type[Shape],
    error: type[CitysegError],
    advice: str,
    most_bytes: int = SMALL,
) -> Shape | None:
    """The content of a JSON file as `shape`, as `parse_as` reads it; None without such a file.

    Raises `error`, whose message is the file, `advice` ("is damaged: …") and what was found.
    """
    try:
        return read_json_as(path, shape, most_bytes)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise error(f"{path} cannot be read ({cause.strerror}): check the file") from cause
    except JsonError as cause:
        raise error(f"{path} {advice} ({cause})") from cause


def read_or_none(path: Path, shape: type[Shape], most_bytes: int = SMALL) -> Shape | None:
    """The content of a file that may as well be missing: None if it is, or if it is damaged."""
    try:
        return read_json_as(path, shape, most_bytes)
    except (OSError, JsonError):
        return None


def read_json_as(path: Path, shape: type[Shape], most_bytes: int = SMALL) -> Shape:
    """The content of a JSON file as `shape`; raises JsonError, or OSError if it cannot be read."""
    try:
        content = read_regular_file(path, most_bytes)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise JsonError(f"it is larger than {most_bytes >> 20} MB") from error
        raise
    return parse_as(content, shape)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a small file; empty if the file is missing or contains none."""
    try:
        return parse_object(read_regular_file(path, SMALL)) or {}
    except OSError:
        return {}


def parse_object(content: bytes) -> dict[str, Any] | None:
    """`content` as a JSON object; None if it is incomplete or anything else."""
    try:
        value = parse_json(content)
    except JsonError:
        return None
    return value if isinstance(value, dict) else None


def last_objects(path: Path, size: int) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects on the lines in the last `size` bytes, and whether that is the whole file.

    Incomplete and invalid lines are ignored. Raises OSError.
    """
    lines, is_all = last_lines(path, size)
    return [value for value in map(parse_object, lines) if value is not None], is_all


def last_lines(path: Path, size: int) -> tuple[list[bytes], bool]:
    """The complete lines in the last `size` bytes, and whether that is the whole file.

    Raises OSError.
    """
    check_regular(path)
    with path.open("rb") as file:
        start = max(file.seek(0, os.SEEK_END) - size, 0)
        file.seek(start)
        lines = file.read(size).split(b"\n")
    return lines[1 if start else 0 : -1], start == 0
