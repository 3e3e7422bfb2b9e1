"""The folders that this server knows by name, so that an address holds a name and never a path.

Known are the folders given at the start, and those that a person opened here. The latter are kept
in `RUNS/.folders.json`, where RUNS was given at the start: links hold after a restart, too.
"""

import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from cityseg.system import read_json, write_json
from cityseg.ui.text import utf8

#: What a folder is used for; also the parameter of the address that names it.
Use = Literal["dataset", "masks", "runs_folder"]

_FILE: Final = ".folders.json"
#: For a folder without a name, which is the root.
_NAMELESS: Final = "root"

_lock: Final = threading.Lock()
#: By the folder of runs that was given at the start, and by use.
_opened: Final[dict[tuple[Path, Use], dict[str, Path]]] = defaultdict(dict)


def known_folders(home: Path, use: Use, given: Path) -> dict[str, Path]:
    """The folders for `use` by name: `given` first, then those that were opened here.

    `home` is the folder of runs that was given at the start.
    """
    with _lock:
        opened = _load(home, use)
    name = _name_in(opened, given) or _free_name(given, opened)
    return {name: given} | {each: path for each, path in opened.items() if each != name}


def remember(home: Path, use: Use, given: Path, folder: Path) -> str:
    """Make `folder` known; returns its name. The parameters are those of `known_folders`."""
    known = known_folders(home, use, given)
    if name := _name_in(known, folder):
        return name
    name = _free_name(folder, known)
    with _lock:
        _load(home, use)[name] = folder.absolute()
        _save(home)
    return name


def _load(home: Path, use: Use) -> dict[str, Path]:
    """What was opened here, by this server or another one with the same folder of runs."""
    opened = _opened[home, use]
    saved = read_json(home / _FILE).get(use)
    for name, path in saved.items() if isinstance(saved, dict) else ():
        if isinstance(path, str):
            opened.setdefault(name, Path(path))
    return opened


def _save(home: Path) -> None:
    saved = {
        use: {name: str(path) for name, path in folders.items()}
        for (runs, use), folders in _opened.items()
        if runs == home
    }
    # Runs that cannot be written are shown as well: then the names last as long as the server.
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
        write_json(home / _FILE, saved)


def _name_in(folders: dict[str, Path], folder: Path) -> str | None:
    found = (name for name, path in folders.items() if path.absolute() == folder.absolute())
    return next(found, None)


def _free_name(folder: Path, taken: dict[str, Path]) -> str:
    name = first = utf8(folder.absolute().name) or _NAMELESS
    number = 2
    while name in taken:
        name, number = f"{first}-{number}", number + 1
    return name
