"""Waiting for what must happen: nothing is slow that is done within the patience of the tests."""

import time
from collections.abc import Callable
from typing import Any

#: Anything may take long beside other work on the same cores; only what never happens is a fault.
PATIENCE_SECONDS = 300.0


def until(holds: Callable[[], Any], otherwise: str = "waited in vain") -> Any:
    """Wait for a condition; returns its first true value. It fails with `otherwise`.

    In a browser, Playwright's `expect` waits.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = 0.01
    while not (value := holds()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(pause)
        pause = min(pause * 1.2, 0.1)  # asking takes the cores from what is waited for
    return value
