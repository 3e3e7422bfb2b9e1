"""Code that needs a thread without a running event loop.

The tests' own thread has one from the first test with a browser on: Playwright's.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def in_own_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` returns, or raises, with these arguments."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *arguments).result()
