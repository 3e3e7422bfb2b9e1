"""Names in zips: where the file of a name belongs in the dataset, if anywhere.

A file belongs there if its name ends in `<kind>/<split>/<city>/<file>`, at any depth and with kind
and split in any case, and `data.dataset` would read it. Its place is built from these four parts
only. A file without a city's folder gets the city that its name begins with.
"""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import ZipInfo

from cityseg.data.dataset import FRAME_FILES
from cityseg.data.layouts import ANNOTATIONS, COARSE, IMAGES, SPLITS

#: With what `replacing` adds to it, a name of this many bytes still fits a file system.
_MAX_NAME_BYTES: Final = 200
_UNPORTABLE: Final = frozenset('<>:"|?*')
_WINDOWS_DEVICE: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_KINDS: Final = {kind.lower(): kind for kind in (IMAGES, ANNOTATIONS, COARSE)}
#: Files that belong to Cityscapes, or to a dataset derived from it, by the end of their name.
_CITYSCAPES_FILE: Final = re.compile(
    r"_leftImg8bit(_[\w.]+)?\.(png|jpe?g|webp)"
    r"|_gt(Fine|Coarse)_(labelIds|instanceIds|polygons)\.(png|jpe?g|webp|json)",
    re.IGNORECASE,
)
#: What a part of a path says of the data below it, if it is not read.
_NOT_READ: Final = {
    "foggy": "these are frames of Foggy Cityscapes: unpack them with another program",
    "_rain": "these are frames of Rain Cityscapes: unpack them with another program",
    "leftimg8bit_sequence": "these are frames of the video sequences, which have no annotations",
}


class RefusedError(Exception):
    """An entry must not be unpacked; the message is the reason, and `kind` unites equal ones."""

    def __init__(self, reason: str, kind: str = "") -> None:
        """Keep the kind of the reason, by default the whole reason."""
        super().__init__(reason)
        self.kind = kind or reason


def decoded_name(info: ZipInfo) -> str:
    """The name with `/` between its parts, as stored: before `zipfile` cuts it at a NUL.

    Names without the UTF-8 flag are read as UTF-8 or as Chinese where they are, else as code page
    437. Zips of some Windows programs have `\\` for `/`.
    """
    name = info.orig_filename
    if not info.flag_bits & 0x800:  # "this is UTF-8"
        stored = name.encode("cp437")
        for encoding in ("utf-8", "gb2312"):
            try:
                name = stored.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")


def refuse_escape(name: str) -> None:
    """Refuse a name that leads out of the dataset, wanted or not: its archive is hostile."""
    if "\0" in name:
        raise RefusedError("its name contains a NUL byte")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise RefusedError("its name is an absolute path")
    if ".." in name.split("/"):
        raise RefusedError("its name leads upwards (..)")


def target(name: str) -> Path | None:
    """The path of the entry `name` below the dataset's root; None if it is not read.

    Raises RefusedError if it is a file of Cityscapes that is not read, with the reason.
    """
    parts = PurePosixPath(name).parts
    if name.endswith("/") or is_metadata(name):
        return None
    *folders, file = parts
    place = _place([folder.lower() for folder in folders], folders, file)
    if place and _is_read(place.parts[0], file):
        return place
    if _CITYSCAPES_FILE.search(file):
        raise _not_read(name)
    return None


def is_metadata(name: str) -> bool:
    """Whether this entry is hidden, as operating systems add them beside the files."""
    parts = PurePosixPath(name).parts
    return not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _place(lowered: list[str], folders: list[str], file: str) -> Path | None:
    """`<kind>/<split>/<city>/<file>`; None if the folders before the file are others."""
    for cities in (1, 0):
        before = lowered[: len(lowered) - cities]
        if len(before) >= 2 and before[-2] in _KINDS and before[-1] in SPLITS:
            city = folders[-1] if cities else file.split("_")[0]
            return Path(_KINDS[before[-2]], before[-1], city, file) if city else None
    return None


def _is_read(kind: str, file: str) -> bool:
    root, suffix = os.path.splitext(file)
    return any(
        tag.startswith(f"_{kind}") and root.endswith(tag) and suffix.lower() in suffixes
        for official, suffixes in FRAME_FILES.values()
        for tag in (official, official.replace(ANNOTATIONS, COARSE))
    )


def _not_read(name: str) -> RefusedError:
    lowered = name.lower()
    for part, reason in _NOT_READ.items():
        if part in lowered:
            return RefusedError(reason)
    return RefusedError(
        f"it does not lie in {IMAGES}/SPLIT/CITY or {ANNOTATIONS}/SPLIT/CITY, where SPLIT is one "
        f"of {', '.join(SPLITS)}"
    )


def refuse_unportable(place: Path) -> None:
    """Refuse a place in the dataset that not every system can store."""
    for part in place.parts:
        if not part.isprintable() or set(part) & _UNPORTABLE or part != part.rstrip(" ."):
            raise RefusedError("its name has characters that some systems cannot store")
        if _WINDOWS_DEVICE.fullmatch(part):
            raise RefusedError("its name is that of a Windows device")
        if len(part.encode()) > _MAX_NAME_BYTES:
            raise RefusedError("its name is too long")
