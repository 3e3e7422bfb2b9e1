"""Measurements of steps in the background, for all sessions: each is taken once.

A session wants one measurement of a kind at a time. What no session wants any more is ended, so
that the one for the settings in the form never waits for those before them.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from cachetools import TTLCache

from cityseg.estimates import StepCost


@dataclass
class _Measurement:
    """One measurement, and the sessions that want it."""

    kind: str
    future: "Future[StepCost]"
    wanted_by: set[str] = field(default_factory=set)


#: A failure is kept too, and may have come from a lack of memory: it is tried again after a while.
_measurements: Final[TTLCache[str, _Measurement]] = TTLCache(64, ttl=600)
_lock: Final = Lock()
#: A thread for each kind: trials at the same time would slow each other down.
_workers: Final[dict[str, ThreadPoolExecutor]] = {}


def want(
    session: str,
    kind: str,
    settings: Mapping[str, Any],
    measure: Callable[[Callable[[], bool]], StepCost],
) -> "Future[StepCost]":
    """The measurement of `settings`, begun if there is none; `session` wants no other of `kind`.

    `measure` is given a function that returns false once nobody wants the measurement.
    """
    key = f"{kind} {json.dumps(settings, default=str, sort_keys=True)}"
    with _lock:
        for other_key, other in list(_measurements.items()):
            if other_key != key and other.kind == kind:
                _leave(other_key, other, session)
        if key not in _measurements:
            wanted_by = {session}
            worker = _workers.setdefault(kind, ThreadPoolExecutor(1, f"cityseg-{kind}"))
            future = worker.submit(measure, lambda: bool(wanted_by))
            _measurements[key] = _Measurement(kind, future, wanted_by)
        _measurements[key].wanted_by.add(session)
        return _measurements[key].future


def forget_all() -> None:
    """Forget all measurements; those that run are ended."""
    with _lock:
        for each in _measurements.values():
            each.wanted_by.clear()
            each.future.cancel()
        _measurements.clear()


def _leave(key: str, measurement: _Measurement, session: str) -> None:
    """Let `session` want this one no more; end it if nobody does, and it has not ended."""
    measurement.wanted_by.discard(session)
    if not measurement.wanted_by and not measurement.future.done():
        measurement.future.cancel()
        del _measurements[key]
