"""Times of several ways of doing the same, and the table of them."""

import statistics
import time
from collections.abc import Callable

#: (wall, CPU) seconds of each run, by what was timed.
Times = dict[str, list[tuple[float, float]]]


def timed(call: Callable[[], object], pictures: int) -> tuple[float, float]:
    """(wall, CPU) seconds of a call, divided by the number of its pictures."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) / pictures, (time.process_time() - cpu) / pictures


def print_table(times: Times, floor: str) -> None:
    """Milliseconds of each way, and how many times those of `floor`."""
    medians = {
        name: [1000 * statistics.median(column) for column in zip(*values, strict=True)]
        for name, values in times.items()
    }
    print("| way | wall | × floor | CPU |\n| --- | ---: | ---: | ---: |")
    for name, (wall, cpu) in medians.items():
        print(f"| {name} | {wall:.1f} | {wall / medians[floor][0]:.2f} | {cpu:.1f} |")
