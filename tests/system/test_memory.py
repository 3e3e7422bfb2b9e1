"""Freed memory that stays with the process."""

import child


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
