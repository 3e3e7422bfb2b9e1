"""What libraries hold is left out when Python looks for garbage.

After each run of a script, or of a part of a page, Streamlit has all objects searched for cycles
that nothing refers to. Plotly, pandas and PyTorch hold a million objects for ever, so that took a
quarter of a second, in which no other session and no picture was served.
"""

import gc
import sys
import time
from typing import Final

#: So many further modules are worth a full search.
_MODULES: Final = 100
#: Sessions that were open at the last one, and have ended since, are found by the next.
_SECONDS: Final = 600.0

_spared = 0
_again = 0.0


def spare_libraries() -> None:
    """Leave out all objects that exist now, if modules were imported or ten minutes have passed."""
    global _spared, _again
    if len(sys.modules) >= _spared + _MODULES or time.monotonic() >= _again:
        _spared, _again = len(sys.modules), time.monotonic() + _SECONDS
        gc.unfreeze()
        gc.collect()
        gc.freeze()
