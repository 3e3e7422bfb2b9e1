"""How far a command is, in a file that others read while it runs.

A command is told the file by the environment; without that it tells nobody.
"""

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from cityseg.system import write_json

PROGRESS_VARIABLE: Final = "CITYSEG_PROGRESS"
#: Seconds between two writes.
_PAUSE: Final = 0.2
#: The rate is that of so many writes: ten seconds.
_WINDOW: Final = 50


class ProgressFile:
    """Writes {"what", "unit", "done", "total", "rate"}; `rate` is in units a second, lately."""

    def __init__(self, path: Path, what: str, unit: str) -> None:
        """Begin with nothing done."""
        self._path = path
        self._about = {"what": what, "unit": unit}
        self._told: deque[tuple[float, int]] = deque(maxlen=_WINDOW)

    @classmethod
    def of_environment(cls, what: str, unit: str) -> "ProgressFile | None":
        """The file that the environment names, if it names one."""
        path = os.environ.get(PROGRESS_VARIABLE)
        return cls(Path(path), what, unit) if path else None

    def tell(self, done: int, total: int) -> None:
        """Write it down, not too often; a disk that refuses ends no work."""
        now = time.monotonic()
        if self._told and now - self._told[-1][0] < _PAUSE and done < total:
            return
        self._told.append((now, done))
        start, before = self._told[0]
        rate = (done - before) / (now - start) if now > start else None
        values = {**self._about, "done": done, "total": total, "rate": rate}
        with suppress(OSError):
            write_json(self._path, values, durable=False)
