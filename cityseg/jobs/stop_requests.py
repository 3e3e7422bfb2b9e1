"""Requests to stop the training in this process, by signals and through the run's folder."""

import logging
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from cityseg.runs import RunDir

logger = logging.getLogger(__name__)

#: In the stop file of a run: its trainer stops its own processes by it, after a signal.
STOP_OF_TRAINER: Final = {"by": "trainer"}

_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def stop_requests(run: RunDir, *, watches_folder: bool = False) -> Iterator[Callable[[], bool]]:
    """A function that returns whether a stop was requested, by a signal or by `jobs.stop`.

    A second signal ends the process at once, but for SIGHUP: a terminal that closes may send two.
    Only the main thread can handle signals. `watches_folder`: the request may be in the run's
    folder alone, as it is for other threads.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: run.stop_file.exists()  # by its path at the time of the call
        return
    received: list[signal.Signals] = []
    is_logged = False

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in before:
            signal.signal(each, signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL)
        if number == signal.SIGHUP:
            _leave_terminal()

    def should_stop() -> bool:
        nonlocal is_logged
        if received and not is_logged:  # not in `handle`, which may interrupt a print
            is_logged = True
            logger.info("%s: saving the state and stopping", received[0].name)
        return bool(received) or (watches_folder and run.stop_file.exists())

    before = {number: signal.getsignal(number) for number in _STOP}
    if before[signal.SIGHUP] == signal.SIG_IGN:  # as `nohup` wants it
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, handle)
    try:
        yield should_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_terminal() -> None:
    """Send what is still printed nowhere if the terminal is gone, where it would be an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)
