"""What small files say, read again only when they changed.

A file counts as unchanged while its (mtime_ns, size, inode) are: ours are replaced, which gives a
new inode, or grow.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Final, TypeVar

Value = TypeVar("Value")

#: A run takes some four; one that lets go of a whole listing would make it cold again.
_ENTRIES: Final = 20_000

_entries: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()
_changing: Final = threading.Lock()


def cached(path: Path, read: Callable[[Path], Value], *more: Hashable) -> Value | None:
    """`read(path)`, which depends on the file (and on `more`) alone; None if there is no file.

    Raises what `read` raises, and OSError if the file may not be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    key, stamp = (os.fspath(path), *more), (found.st_mtime_ns, found.st_size, found.st_ino)
    known = _entries.get(key)
    if known and known[0] == stamp:
        value: Value = known[1]
        return value
    value = read(path)
    with _changing:
        _entries[key] = stamp, value
        _entries.move_to_end(key)
        while len(_entries) > _ENTRIES:
            _entries.popitem(last=False)
    return value
