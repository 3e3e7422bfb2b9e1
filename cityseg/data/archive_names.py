"""Names in zips: where the file of a name belongs in the dataset, if anywhere.

A file belongs there if its name ends in `<top>/<split>/<city>/<file>`, at any depth and with top
and split in any case, and `data.dataset` would read it. Tops are those of Cityscapes and of its
foggy and rainy variants. Its place is built from these four parts only. A file without a city's
folder gets the city that its name begins with.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple
from zipfile import ZipInfo

from cityseg.data.diagnosis import ending_of
from cityseg.data.layouts import (
    ANNOTATIONS,
    IMAGES,
    LAYOUTS,
    SPLIT_NAMES,
    SPLITS,
    FrameFile,
    Layout,
    Side,
    file_named,
)

#: With what `replacing` adds to it, a name of this many bytes still fits a file system.
_MAX_NAME_BYTES: Final = 200
_UNPORTABLE: Final = frozenset('<>:"|?*')
_WINDOWS_DEVICE: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
#: Top folder without case -> its name in the dataset, and the side whose files it holds.
_TOPS: Final = {
    top.casefold(): (top, side)
    for layout in LAYOUTS
    if layout.name in ("cityscapes", "foggy", "rain")
    for side in (layout.images, *layout.annotations)
    for top in (pattern.split("/")[0] for pattern in side.folders)
}
#: Files that belong to Cityscapes, or to a dataset derived from it, by the end of their name.
_CITYSCAPES_FILE: Final = re.compile(
    r"_leftImg8bit(_(foggy|rain)_[\w.]+)?\.(png|jpe?g|webp)"
    r"|_gt(Fine|Coarse)_(labelIds|instanceIds|polygons)\.(png|jpe?g|webp|json)",
    re.IGNORECASE,
)
#: What European names do not have. Nearly all pairs of bytes are GBK, those of "öl" too.
_NOT_LATIN: Final = re.compile("[^\0-\x7fÀ-ÿ]|[À-ÿ]{2}")
_SEQUENCES: Final = f"{IMAGES}_sequence"
_PAIR: Final = re.compile(r"(?:.*/)?(train|val)/[1-9]\d*\.jpe?g", re.IGNORECASE | re.DOTALL)


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
        chinese = ("gb2312", "gbk") if _NOT_LATIN.search(name) else ("gb2312",)
        for encoding in ("utf-8", *chinese):
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


class Target(NamedTuple):
    """The path of an entry below the dataset's root, and what file it is there."""

    path: Path
    file: FrameFile

    @property
    def frame(self) -> tuple[str, ...]:
        """Split, city and stem of its frame."""
        return (*self.path.parts[1:3], self.file.base)

    @property
    def is_substitute(self) -> bool:
        """Whether it holds train ids or colours, which serve only where label ids are missing."""
        return self.file.kind.encoding is not None

    @property
    def is_annotation(self) -> bool:
        """Whether it holds label ids or polygons, so that no substitute is needed."""
        return not self.is_substitute and self.file.kind.field in ("label_ids", "polygons")


def target(name: str) -> Target | None:
    """Where the entry `name` belongs; None if it is not read.

    Raises RefusedError if it is a file of Cityscapes that is not read, with the reason.
    """
    if name.endswith("/") or is_metadata(name):
        return None
    *folders, file_name = PurePosixPath(name).parts
    if found := _target(folders, file_name):
        return found
    if not _CITYSCAPES_FILE.search(file_name):
        return None
    if _SEQUENCES.casefold() in name.casefold():
        raise RefusedError("these are frames of the video sequences, which have no annotations")
    raise RefusedError(
        f"it does not lie in {IMAGES}/SPLIT/CITY or {ANNOTATIONS}/SPLIT/CITY, where SPLIT is one "
        f"of {', '.join(SPLITS)}"
    )


def _target(folders: Sequence[str], file_name: str) -> Target | None:
    lowered = [folder.casefold() for folder in folders]
    for cities in (1, 0):
        before = [SPLIT_NAMES.get(name, name) for name in lowered[: len(lowered) - cities]]
        if len(before) > 2 and before[-1] == before[-2]:  # as in train/train
            del before[-1]
        if len(before) < 2 or before[-2] not in _TOPS or before[-1] not in SPLITS:
            continue
        top, side = _TOPS[before[-2]]
        city = folders[-1] if cities else file_name.split("_")[0]
        if city and (file := file_named(file_name, side)):
            return Target(Path(top, before[-1], city, file_name), file)
        return None
    return None


def is_metadata(name: str) -> bool:
    """Whether this entry is hidden, as operating systems add them beside the files."""
    parts = PurePosixPath(name).parts
    return not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts)


def is_below_top(name: str) -> bool:
    """Whether this is the name of a top folder of the dataset, or of anything below one."""
    return any(part.casefold() in _TOPS for part in PurePosixPath(name).parts)


def what_they_are(names: Sequence[str]) -> str:
    """What the files of archives without a file of Cityscapes are, and what to do: a clause."""
    files = [name for name in names if not name.endswith("/") and not is_metadata(name)]
    for layout in LAYOUTS:
        count = sum(_is_of(layout, name) for name in files)
        if layout.name not in ("cityscapes", "gtCoarse") and count:
            return (
                f"{_files(count)} of the layout {layout.name}: unpack with another program, and "
                "name the folder with --data"
            )
    if pair := next((name for name in files if _PAIR.fullmatch(name)), None):
        return (
            f"image pairs, such as {pair!r}: unpack with another program, and run python -m "
            "cityseg pairs FOLDER"
        )
    wanted = f"name {IMAGES}_trainvaltest.zip and {ANNOTATIONS}_trainvaltest.zip"
    if not files:
        return f"no file at all: {wanted}"
    endings = {name: ending_of(PurePosixPath(name).name) for name in files}
    ending, count = Counter(endings.values()).most_common(1)[0]
    example = next(name for name in files if endings[name] == ending)
    how = f"ending in {ending!r}" if ending else "without an ending"
    return f"{_files(count)} {how}, such as {example!r}: {wanted}"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _is_of(layout: Layout, name: str) -> bool:
    """Whether the file is an annotation of `layout`, or an image that its name tells."""
    sides = (layout.images, *layout.annotations)
    tags = any(kind.tag for kind in layout.images.kinds)
    return any(_lies_in(side, name) for side in (sides if tags else layout.annotations))


def _lies_in(side: Side, name: str) -> bool:
    *folders, file_name = PurePosixPath(name).parts
    if not file_named(file_name, side):
        return False
    for pattern in side.folders:
        wanted = pattern.split("/")
        found = folders[len(folders) - len(wanted) :] if len(wanted) <= len(folders) else []
        if found and all(
            part.startswith("{") or part.casefold() == folder.casefold()
            for part, folder in zip(wanted, found, strict=True)
        ):
            return True
    return False


def refuse_unportable(place: Path) -> None:
    """Refuse a place in the dataset that not every system can store."""
    for part in place.parts:
        if not part.isprintable() or set(part) & _UNPORTABLE or part != part.rstrip(" ."):
            raise RefusedError("its name has characters that some systems cannot store")
        if _WINDOWS_DEVICE.fullmatch(part):
            raise RefusedError("its name is that of a Windows device")
        if len(part.encode()) > _MAX_NAME_BYTES:
            raise RefusedError("its name is too long")
