"""The check of all rows of the frame stores, in a thread beside the first epoch of a training.

Opening a store checks a sample only: reading all of it would delay the start. The thread is ahead
of the training, whose order it takes: a checksum takes a fraction of a step.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Final, Self

import numpy as np

from cityseg.data.store import is_damaged, rebuild_rows, rebuilt_frames, settle
from cityseg.errors import StoreError
from cityseg.runs import RunDir, survive_rename
from cityseg.runs.seen import record_rebuilt
from cityseg.training.augment import epoch_order
from cityseg.training.batches import FrameSource
from cityseg.training.state import Parts

logger = logging.getLogger(__name__)

#: How long to wait for the thread before looking at other things.
_WAIT_SECONDS: Final = 1.0
#: Steps of the training come first where cores are few. Lowering it is refused to most users.
_NICENESS: Final = 10


class _StopError(Exception):
    """Ends the wait for a lock."""


class RowCheck:
    """Checks all rows while it is entered, and rebuilds those that are damaged."""

    def __init__(self, run: RunDir, parts: Parts) -> None:
        """Check the stores of `parts`; what was rebuilt is recorded in `run`."""
        self._run, self._parts = run, parts
        self._stop = threading.Event()
        self._rebuilt: deque[tuple[FrameSource, int]] = deque()
        self._pool = ThreadPoolExecutor(1, "cityseg-check")

    def __enter__(self) -> Self:
        """Start the thread."""
        self._future = self._pool.submit(self._check)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """End the thread, and raise what has ended it unless another error is on its way."""
        self._stop.set()
        self._pool.shutdown()
        if kind is None:
            self.report()

    def report(self) -> None:
        """Take over what was rebuilt since the last call.

        Raises StoreError if a row is damaged and cannot be rebuilt, and whatever else ended the
        thread.
        """
        if self._rebuilt:
            while self._rebuilt:
                source, position = self._rebuilt.popleft()
                source.refresh(position)
            self._record()
        if self._future.done():
            self._future.result()

    def finish(self, should_stop: Callable[[], bool]) -> None:
        """Wait until all rows are checked, or until `should_stop` returns true; then as `report`.

        Also records what other trainings have rebuilt in the stores that they share with this one.
        """
        while not wait([self._future], _WAIT_SECONDS).done and not should_stop():
            pass
        self.report()
        self._record()

    def _record(self) -> None:
        if not self._parts.ranks.is_first:
            return
        folders = [source.store.folder for source in (self._parts.train, self._parts.val)]
        rebuilt = {folder.name: rebuilt_frames(folder) for folder in folders}
        epoch = self._parts.position.epoch

        def record() -> None:
            for change in record_rebuilt(self._run, rebuilt, epoch):
                logger.warning("%s", change)

        survive_rename(self._run, record)

    def _check(self) -> None:
        thread = threading.get_native_id()  # Linux has priorities for each thread
        niceness = max(os.getpriority(os.PRIO_PROCESS, thread), _NICENESS)
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
        parts, at = self._parts, self._parts.position
        order = epoch_order(parts.train_frames, parts.config.seed, at.epoch)
        order = np.roll(order, -at.step * parts.config.batch_size)
        with suppress(_StopError):
            self._check_rows(parts.train, order.tolist())
            self._check_rows(parts.val, range(len(parts.val.store)))

    def _check_rows(self, source: FrameSource, positions: Iterable[int]) -> None:
        damaged = []
        for position in positions:
            if self._stop.is_set():
                return
            if is_damaged(source.store, position):
                try:
                    rebuild_rows(source.store, [position], self._raise_if_stopped)
                except StoreError:
                    damaged.append(position)
                else:
                    self._rebuilt.append((source, position))
        if damaged:
            rebuild_rows(source.store, damaged, self._raise_if_stopped)  # names all of them
        settle(source.store.folder)

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise _StopError
