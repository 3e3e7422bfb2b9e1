"""How this process allocates memory, and treats what it has freed."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_pausing: Final = threading.Lock()
_pauses = 0
_was_enabled = False


def keep_freed_memory() -> None:
    """Make this process keep freed arrays for reuse instead of returning them to the kernel.

    Otherwise large arrays are mapped, cleared and unmapped each time, which costs a quarter of the
    time of a conversion, and of training a narrow network on a CPU. Only glibc has this switch;
    elsewhere nothing happens. There is no way back.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, 1 << 30)


def share_heaps() -> None:
    """Make the threads of this process allocate from two heaps.

    Otherwise each thread of a server may get a heap of its own, up to eight for each core, in which
    memory that was freed stays for that thread. Only glibc has this switch; elsewhere nothing
    happens. Call it before threads are started.
    """
    m_arena_max = -8
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(m_arena_max, 2)


@contextmanager
def pausing_collection() -> Iterator[None]:
    """Have no garbage collected during the block, which makes many objects that stay.

    While their number grows, Python searches all objects of the process for cycles again and again,
    so that each of many costs more than each of few. Also for several threads at once.
    """
    global _pauses, _was_enabled
    with _pausing:
        if not _pauses:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _pausing:
            _pauses -= 1
            if not _pauses and _was_enabled:
                gc.enable()
