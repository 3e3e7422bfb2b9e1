"""How this process treats memory that it has freed."""

import ctypes


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
