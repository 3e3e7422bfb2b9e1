"""Threads for work on whole images: decoders and encoders release the interpreter's lock."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

#: Called with (done, total) during long work.
ProgressCallback = Callable[[int, int], None]

Item = TypeVar("Item")
Result = TypeVar("Result")

_opencv_lock: Final = threading.Lock()
_opencv_users = 0
_opencv_threads = 0  # before the first user


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def wait_passively() -> None:
    """Make torch's threads sleep while they wait for each other, unless the environment says else.

    They are those of GNU OpenMP, which by default spin on their cores. Where another process needs
    one of these, all wait for the thread that lost its core: on two cores beside other work,
    training steps of an encoder network took eight times as long. To be called before torch is
    imported, as the variable is read when the library is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, computed ahead by `workers` threads.

    `workers` defaults to the cores that this process may use. Only 2 × `workers` results wait at a
    time, so memory does not grow with the number of items. After an error, and when the generator
    is closed, calls that have not begun are cancelled. OpenCV uses no threads of its own meanwhile.
    """
    workers = workers or available_cores()
    pending: deque[Future[Result]] = deque()
    with _single_threaded_opencv():
        pool = ThreadPoolExecutor(workers, "cityseg")
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """Keep OpenCV at one thread: its own would compete with those of the pool.

    The number is a setting of the whole process, and blocks may overlap in any order: a generator
    that feeds another one may end first. So the first block sets it and the last one restores it.
    """
    global _opencv_users, _opencv_threads
    import cv2  # here, because supervisors of jobs import this package and never see an image

    with _opencv_lock:
        if not _opencv_users:
            _opencv_threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv_users += 1
    try:
        yield
    finally:
        with _opencv_lock:
            _opencv_users -= 1
            if not _opencv_users:
                cv2.setNumThreads(_opencv_threads)
