"""The progress of a command, in a file that other processes read while it runs.

The environment names the file; without that no progress is written.
"""

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from cityseg.defaults import PROGRESS_VARIABLE
from cityseg.system import write_json

#: Seconds between two writes.
_PAUSE_SECONDS: Final = 0.2
#: The rate is that of the last so many writes, which take ten seconds.
_WINDOW: Final = 50


class ProgressFile:
    """Writes {"what", "unit", "done", "total", "rate"}; `rate` is the present units a second."""

    def __init__(self, path: Path, what: str, unit: str) -> None:
        """Start with nothing done."""
        self._path = path
        self._about = {"what": what, "unit": unit}
        self._written: deque[tuple[float, int]] = deque(maxlen=_WINDOW)

    @classmethod
    def of_environment(cls, what: str, unit: str) -> "ProgressFile | None":
        """The file that the environment names, if it names one."""
        path = os.environ.get(PROGRESS_VARIABLE)
        return cls(Path(path), what, unit) if path else None

    def report(self, done: int, total: int) -> None:
        """Write the progress, at most every 0.2 seconds; errors of the disk are ignored."""
        now = time.monotonic()
        if self._written and now - self._written[-1][0] < _PAUSE_SECONDS and done < total:
            return
        self._written.append((now, done))
        start, before = self._written[0]
        rate = (done - before) / (now - start) if now > start else None
        values = {**self._about, "done": done, "total": total, "rate": rate}
        with suppress(OSError):
            write_json(self._path, values, durable=False)
