"""What libraries hold is left out when Python looks for garbage.

After each run of a script, or of a part of a page, Streamlit has all objects searched for cycles
that nothing refers to. Plotly, pandas and PyTorch hold a million objects for ever, so that took a
quarter of a second, in which no other session and no picture was served.
"""

import gc
import sys
from typing import Final

#: So many further modules are worth one more full search.
_MODULES: Final = 100

_spared = 0


def spare_libraries() -> None:
    """Leave out, from now on, all objects that exist now, if modules were imported since.

    Those of open sessions are among them: of these, what forms a cycle stays for ever. Only few
    imports are so large, and so few sessions are open at one of them, that this costs little.
    """
    global _spared
    if len(sys.modules) >= _spared + _MODULES:
        _spared = len(sys.modules)
        gc.collect()
        gc.freeze()
