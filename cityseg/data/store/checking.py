"""Checking the rows of a finished store against the checksums in its index."""

import logging
import random
import time
from contextlib import closing
from typing import Final

from cityseg.data.store.files import Store
from cityseg.data.store.rebuilding import is_damaged, rebuild_rows, settle, was_written_to
from cityseg.system import ProgressCallback, map_in_threads

SAMPLE_ROWS: Final = 32
#: After that, no further row is sampled: on a slow disk a row takes 20 ms.
SAMPLE_SECONDS: Final = 0.05

logger = logging.getLogger(__name__)


def check_opened(store: Store, progress: ProgressCallback | None = None) -> None:
    """Check some rows of a store, other ones each time, and rebuild those that were damaged.

    All rows are checked if one of the sample is damaged, if counts in the index cannot be true, or
    if the arrays were written to since they were finished. `progress` is called with (done, total)
    then.

    Raises StoreError if a row is damaged and cannot be rebuilt.
    """
    frame_pixels = store.size_hw[0] * store.size_hw[1]
    counts_fit = all(sum(row.class_pixels) == frame_pixels for row in store.rows)
    if counts_fit and not was_written_to(store.folder) and not _is_sample_damaged(store):
        return
    logger.warning("The frame store %s was changed: all its rows are checked", store.folder)

    def on_wait() -> None:
        if progress:
            progress(0, len(store))

    if damaged := damaged_rows(store, progress):
        rebuild_rows(store, damaged, on_wait)
    settle(store.folder)


def damaged_rows(store: Store, progress: ProgressCallback | None = None) -> list[int]:
    """The positions of all damaged rows."""

    def check(position: int) -> bool:
        return is_damaged(store, position)

    found = []
    with closing(map_in_threads(check, range(len(store)))) as results:
        for position, is_bad in enumerate(results):
            if is_bad:
                found.append(position)
            if progress:
                progress(position + 1, len(store))
    return found


def _is_sample_damaged(store: Store) -> bool:
    end = time.monotonic() + SAMPLE_SECONDS
    # Not from the global generator, whose numbers belong to whoever seeded it.
    positions = random.SystemRandom().sample(range(len(store)), min(SAMPLE_ROWS, len(store)))
    for position in positions:
        if is_damaged(store, position):
            return True
        if time.monotonic() > end:
            break
    return False
