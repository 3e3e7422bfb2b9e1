"""Files that appear whole or not at all, and whether a file has changed."""

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

#: Of a file: size in bytes, modification time in nanoseconds.
Stamp = tuple[int, int]


def file_stamp(path: Path) -> Stamp:
    """Read the stamp by which a change of the file is noticed. Raises OSError."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def read_regular_file(path: Path) -> bytes:
    """Read a file; raises OSError if it cannot be read, and for a pipe or a device at once."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading it might never end
        raise OSError(errno.EINVAL, "It is a pipe or a device", str(path))
    return path.read_bytes()


def read_at_most(path: Path, most_bytes: int) -> bytes | None:
    """The bytes of a file; None if there are more, as in a device without an end. Raises OSError.

    Pipes are read, so that a shell can hand over a list that it makes.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    return content if len(content) <= most_bytes else None


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` when the block ends without an error.

    It is written under a hidden name in the same folder, synced to disk and renamed. With `durable`
    false it is not synced: a power cut may lose it, a crash may not. After an error the new file is
    removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


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


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a small file; empty if the file is missing or contains none."""
    try:
        return parse_object(path.read_bytes()) or {}
    except OSError:
        return {}


def parse_object(content: bytes) -> dict[str, Any] | None:
    """`content` as a JSON object; None if it is incomplete or anything else."""
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def last_objects(path: Path, size: int) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects on the lines in the last `size` bytes, and whether that is the whole file.

    Incomplete and invalid lines are ignored.
    """
    with path.open("rb") as file:
        start = max(file.seek(0, os.SEEK_END) - size, 0)
        file.seek(start)
        lines = file.read(size).split(b"\n")
    complete = lines[1 if start else 0 : -1]
    found = [value for value in map(parse_object, complete) if value is not None]
    return found, start == 0
