"""Files noticed at the moment at which they appear, however short they exist."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_CREATE = 0x100
_HEADER = struct.Struct("iIII")


@contextmanager
def new_files(folder: Path) -> Iterator[Iterator[str]]:
    """The names of the files that are created in `folder` from now on; waits for the next one."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    assert descriptor >= 0
    try:
        assert libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_CREATE) >= 0
        yield _names(descriptor)
    finally:
        os.close(descriptor)


def _names(descriptor: int) -> Iterator[str]:
    while True:
        events = os.read(descriptor, 1 << 16)
        while events:
            *_, length = _HEADER.unpack_from(events)
            name, events = events[_HEADER.size :][:length], events[_HEADER.size + length :]
            yield os.fsdecode(name.rstrip(b"\0"))
