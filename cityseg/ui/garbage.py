"""What stays for long is left out when Python looks for garbage.

After each run of a script, or of a part of a page, Streamlit has all objects searched for cycles
that nothing refers to. Plotly, pandas, PyTorch and the frames of a large dataset are a million
objects that stay, so that took a quarter of a second and more, in which no other session and no
picture was served.
"""

import gc
import threading
import time
from typing import Final

#: A full search that takes so long is one too many.
_COSTLY_SECONDS: Final = 0.05
#: While much is being imported or read, each search is costly.
_LEAST_SECONDS: Final = 10.0
#: Sessions that were left out while they were open, and have ended since, are found again.
_MOST_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 1.0

_began = 0.0
_is_costly = False
_spared_at = float("-inf")
_thread: threading.Thread | None = None
_stopped: Final = threading.Event()


def spare_what_stays() -> None:
    """Have a thread leave out all objects that exist, whenever a search was costly or long ago.

    A thread, as to leave them out takes a search, too: whoever opens a page would wait for it.
    """
    global _thread
    if _thread is None:
        gc.callbacks.append(_watch)
        _thread = threading.Thread(target=_keep_sparing, name="cityseg-garbage", daemon=True)
        _thread.start()


def stop_sparing() -> None:
    """End the thread, if there is one."""
    global _thread
    if _thread is not None:
        _stopped.set()
        _thread.join()
        _stopped.clear()
        _thread = None
        gc.callbacks.remove(_watch)


def _keep_sparing() -> None:
    while not _stopped.wait(_LOOK_SECONDS):
        spare_if_due()


def spare_if_due() -> None:
    """Leave out all objects that exist now, if the last search was costly or that is long ago."""
    global _is_costly, _spared_at
    age = time.monotonic() - _spared_at
    if age >= _MOST_SECONDS or (_is_costly and age >= _LEAST_SECONDS):
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        _is_costly, _spared_at = False, time.monotonic()


def _watch(phase: str, info: dict[str, int]) -> None:
    """Called by Python at the start and at the end of each search."""
    global _began, _is_costly
    if info["generation"] < 2:
        return
    if phase == "start":
        _began = time.thread_time()
    # No more than this: locks could be held that a thread or an event needs.
    elif time.thread_time() - _began >= _COSTLY_SECONDS:
        _is_costly = True
