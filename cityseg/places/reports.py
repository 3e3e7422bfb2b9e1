"""What an engine says of its jobs, asked at most once in a while."""

import threading
import time
from collections.abc import Mapping
from typing import Final

from cachetools import TTLCache

from cityseg.errors import PlaceError
from cityseg.places.engine import Engine, Report

#: A page asks for the state of each run every second; a cluster is asked less often.
_FRESH_SECONDS: Final = 2.0
#: An engine that cannot be asked may take long to say so.
_PROBLEM_SECONDS: Final = 10.0
#: A job that is not listed any more does not come back soon.
_PAST_SECONDS: Final = 60.0
_MOST_PAST: Final = 10_000


class Reports:
    """The reports of one engine, for all threads of this process."""

    def __init__(self, engine: Engine) -> None:
        """Ask nothing yet."""
        self._engine = engine
        self._lock = threading.Lock()
        self._listed: Mapping[str, Report] = {}
        self._problem: PlaceError | None = None
        self._until = 0.0
        self._past: TTLCache[str, Report | None] = TTLCache(_MOST_PAST, _PAST_SECONDS)

    def of(self, job: str, *, fresh: bool = False) -> Report | None:
        """The report on `job`, `fresh` or a few seconds old; None if the engine knows no such job.

        Raises PlaceError if the engine cannot be asked.
        """
        with self._lock:
            if fresh:
                self._past.pop(job, None)
            self._refresh(at_once=fresh)
            if job in self._listed:
                return self._listed[job]
            if job not in self._past:
                # Another process may have submitted it after this one had asked.
                self._refresh(at_once=True)
                found = self._listed.get(job)
                self._past[job] = found or self._engine.past(job)
                return found or self._past[job]
            return self._past[job]

    def forget(self) -> None:
        """Ask again at the next call."""
        with self._lock:
            self._until = 0.0
            self._past.clear()

    def _refresh(self, *, at_once: bool) -> None:
        if at_once or time.monotonic() >= self._until:
            try:
                self._listed, self._problem = self._engine.reports(), None
            except PlaceError as error:
                self._problem = error
            seconds = _PROBLEM_SECONDS if self._problem else _FRESH_SECONDS
            self._until = time.monotonic() + seconds
        if self._problem:
            raise self._problem
