"""Threads for work on whole pictures: decoders and encoders release the interpreter."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

#: Called with (done, total) as long work goes on.
ProgressCallback = Callable[[int, int], None]

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield `function` of each item, in order, worked out by `workers` threads a little ahead.

    Only a few results wait at a time, so memory does not grow with the number of items. OpenCV
    uses no threads of its own meanwhile. After an error, what has not begun is not begun.
    """
    import cv2  # here, because supervisors of jobs import this room and never see a picture

    workers = workers or available_cores()
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(workers, "cityseg")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads_before)
