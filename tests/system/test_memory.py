"""Freed memory that stays with the process, and garbage that is not looked for."""

import gc
import threading
from contextlib import suppress
from pathlib import Path

import child

from cityseg.system.memory import pausing_collection


def test_freed_arrays_are_reused_without_page_faults() -> None:
    code = """
import resource
import numpy as np
from cityseg.system.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(1 << 24, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
keep_freed_memory()
faults()
print(before, faults())
"""
    before, after = map(int, child.output(code).split())
    assert after < before / 10


def test_threads_allocate_from_two_heaps(tmp_path: Path) -> None:
    code = """
import ctypes, threading
from cityseg.system.memory import share_heaps

def heaps(file):
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fopen(file.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    return open(file).read().count("<heap nr=")

def hold(all_hold):
    held = bytes(100_000)
    all_hold.wait()

share_heaps()
all_hold = threading.Barrier(16)
threads = [threading.Thread(target=hold, args=(all_hold,)) for _ in range(16)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(heaps(FILE))
"""
    code = code.replace("FILE", repr(str(tmp_path / "heaps.xml")))
    assert int(child.output(code)) <= 2
    assert int(child.output(code.replace("\nshare_heaps()\n", "\n"))) > 2


def test_collection_continues_after_the_last_of_all_pauses() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def pause() -> None:
        with pausing_collection():
            begun.set()
            may_end.wait()

    other = threading.Thread(target=pause)
    assert gc.isenabled()
    with suppress(ZeroDivisionError), pausing_collection():
        with pausing_collection():
            other.start()
            begun.wait()
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert not gc.isenabled()
    may_end.set()
    other.join()
    assert gc.isenabled()


def test_collection_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with pausing_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
