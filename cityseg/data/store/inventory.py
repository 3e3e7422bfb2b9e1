"""The stores in a folder, finished and partial, by their names."""

import re
from pathlib import Path
from typing import Final, NamedTuple

_FINISHED: Final = re.compile(r"([a-z_]+)-(\d+)x(\d+)-[0-9a-f]{16}")
_PARTIAL: Final = re.compile(r"\.partial-\d+-([a-z_]+)-(\d+)x(\d+)-[0-9a-f]{16}(?:\.[0-9a-f]{8})?")


class StoreFolder(NamedTuple):
    """One store in a folder of stores; `is_partial` if its build has not come to its end."""

    path: Path
    split: str
    size_hw: tuple[int, int]
    is_partial: bool


def list_stores(stores: Path) -> list[StoreFolder]:
    """All stores in the folder `stores`, sorted by name; raises OSError if it cannot be read."""
    found = []
    for path in sorted(stores.iterdir()) if stores.is_dir() else ():
        finished, partial = (kind.fullmatch(path.name) for kind in (_FINISHED, _PARTIAL))
        if match := finished or partial:
            size_hw = int(match[2]), int(match[3])
            found.append(StoreFolder(path, match[1], size_hw, is_partial=partial is not None))
    return found
