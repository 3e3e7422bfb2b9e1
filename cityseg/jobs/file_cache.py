"""Values read from small files, which are read again only after they have changed.

A file counts as unchanged while its (mtime_ns, size, inode) are: the files of a run are replaced,
which gives a new inode, or grow.
"""

import os
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Final, TypeVar

from cachetools import LRUCache

Value = TypeVar("Value")

#: A run has some four. A list of runs that does not fit would be read from disk at every look.
_ENTRIES: Final = 20_000

_cache: Final[LRUCache[Hashable, tuple[Hashable, Any]]] = LRUCache(_ENTRIES)
_cache_lock: Final = threading.Lock()


def cached(path: Path, read: Callable[[Path], Value], *more: Hashable) -> Value | None:
    """`read(path)`, or its result for the unchanged file; None if there is no file.

    The result may depend only on the content of the file and on `more`. Raises what `read`
    raises, and OSError if the file cannot be examined.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    key, stamp = (os.fspath(path), *more), (found.st_mtime_ns, found.st_size, found.st_ino)
    with _cache_lock:
        known = _cache.get(key)
    if known and known[0] == stamp:
        value: Value = known[1]
        return value
    value = read(path)
    with _cache_lock:
        _cache[key] = stamp, value
    return value
