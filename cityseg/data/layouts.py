"""Layouts of datasets: where images and annotations lie, and which one a folder has.

A layout is a description, `Layout`. Its folders are patterns below a base folder: a plain
component is a folder's name, compared without case, `{split}` a folder of a split, and `{city}` any
folder. Only the official layout was checked on genuine folders; the others follow the public
documentation that each names.
"""

import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from cityseg.errors import DatasetError

SPLITS: Final = ("train", "train_extra", "val", "test")
#: Other names of the folder of a split, in any layout.
SPLIT_NAMES: Final[Mapping[str, str]] = {
    **{split: split for split in SPLITS},
    "training": "train",
    "validation": "val",
    "testing": "test",
}
#: In order of preference, for a frame that has several files.
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
IMAGES: Final = "leftImg8bit"
ANNOTATIONS: Final = "gtFine"
COARSE: Final = "gtCoarse"
#: The city of frames that lie in no folder of a city.
NO_CITY: Final = "all"
#: Names the layout of a dataset for every command; unset, the folders decide.
LAYOUT_VARIABLE: Final = "CITYSEG_LAYOUT"


class FileKind(NamedTuple):
    """A kind of file of a frame: the field of Frame, the end of its name, and its suffixes.

    `tag` is a regular expression; a group `variant` in it stays part of the stem. `encoding` is
    what the documentation says about the values, in the names of `--encoding`.
    """

    field: str
    tag: str
    suffixes: tuple[str, ...] = (".png",)
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """Images or annotations of a layout: patterns of their folders, and their kinds of files.

    Of several kinds for one field, the first that a frame has is taken.
    """

    folders: tuple[str, ...]
    kinds: tuple[FileKind, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to lay out a dataset, documented at `source`.

    Of several `annotations`, each split takes the first that has files. Frames of a layout without
    `{split}` are in train. Where
    annotations are `shared` with another dataset, those without an image are no frames.
    """

    name: str
    title: str
    source: str
    images: Side
    annotations: tuple[Side, ...]
    shared: bool = False


def _below(top: str) -> tuple[str, ...]:
    # Without folders of cities, or with a split unpacked into itself, files are found too.
    return (f"{top}/{{split}}/{{city}}", f"{top}/{{split}}", f"{top}/{{split}}/{{split}}/{{city}}")


def _official(kind: str, tag: str = "") -> Side:
    tag = tag or f"_{kind}"
    return Side(
        _below(kind),
        (
            FileKind("label_ids", f"{tag}_labelIds", IMAGE_SUFFIXES),
            FileKind("instance_ids", f"{tag}_instanceIds"),
            FileKind("polygons", f"{tag}_polygons", (".json",)),
            FileKind("label_ids", f"{tag}_labelTrainIds", encoding="trainids"),
            FileKind("label_ids", f"{tag}_color", encoding="colors"),
        ),
    )


_WEATHER: Final = FileKind(
    "image", f"_{IMAGES}(?P<variant>(?:_(?:foggy|rain)(?:_.*)?)?)", IMAGE_SUFFIXES
)
_FINE: Final = _official(ANNOTATIONS)
_COARSE: Final = _official(COARSE)
_SCRIPTS: Final = "https://github.com/mcordts/cityscapesScripts#dataset-structure"

#: In the order in which they are looked for.
LAYOUTS: Final = (
    Layout(
        "cityscapes",
        "Cityscapes; gtCoarse where a split has no gtFine",
        _SCRIPTS,
        Side(_below(IMAGES), (_WEATHER,)),
        (_FINE, _COARSE),
    ),
    Layout(
        "gtCoarse",
        "Cityscapes with the coarse annotations alone",
        _SCRIPTS,
        Side(_below(IMAGES), (_WEATHER,)),
        (_COARSE,),
    ),
    Layout(
        "foggy",
        "Foggy Cityscapes; the annotation is shared by all densities of fog",
        "https://people.ee.ethz.ch/~csakarid/SFSU_synthetic/",
        Side((*_below(f"{IMAGES}_foggy"), *_below(f"{IMAGES}_foggyDBF")), (_WEATHER,)),
        (_FINE, _COARSE),
        shared=True,
    ),
    Layout(
        "rain",
        "Rain Cityscapes; the annotation is shared by all kinds of rain",
        "https://www.cityscapes-dataset.com/downloads/ (leftImg8bit_trainval_rain)",
        Side(_below(f"{IMAGES}_rain"), (_WEATHER,)),
        (_FINE, _COARSE),
        shared=True,
    ),
    Layout(
        "acdc",
        "ACDC; <condition>_<sequence> is the city",
        "https://acdc.vision.ee.ethz.ch/download",
        Side(
            ("rgb_anon/{city}/{split}/{city}",), (FileKind("image", "_rgb_anon", IMAGE_SUFFIXES),)
        ),
        (
            Side(
                ("gt/{city}/{split}/{city}",),
                (
                    FileKind("label_ids", "_gt_labelIds"),
                    FileKind("label_ids", "_gt_labelTrainIds", encoding="trainids"),
                    FileKind("label_ids", "_gt_labelColor", encoding="colors"),
                ),
            ),
        ),
    ),
    Layout(
        "kitti",
        "KITTI semantics; its instance maps count otherwise and are not read",
        "https://www.cvlibs.net/datasets/kitti/eval_semseg.php",
        Side(("{split}/image_2",), (FileKind("image", "", IMAGE_SUFFIXES),)),
        (Side(("{split}/semantic",), (FileKind("label_ids", ""),)),),
    ),
    Layout(
        "bdd100k",
        "BDD100K semantic segmentation; its masks hold train ids",
        "https://doc.bdd100k.com/format.html#semantic-segmentation-format",
        Side(("images/10k/{split}",), (FileKind("image", "", IMAGE_SUFFIXES),)),
        (
            Side(
                ("labels/sem_seg/masks/{split}",),
                (FileKind("label_ids", "", encoding="trainids"),),
            ),
        ),
    ),
    Layout(
        "gta5",
        "GTA5 (Playing for Data); palette pictures, all frames in train",
        "https://download.visinf.tu-darmstadt.de/data/from_games/",
        Side(("images",), (FileKind("image", "", IMAGE_SUFFIXES),)),
        (
            Side(
                ("labels",),
                (
                    FileKind("label_ids", "", encoding="palette"),
                    # Written beside them by the converters of mmsegmentation and DAFormer.
                    FileKind("label_ids", "_labelTrainIds", encoding="trainids"),
                ),
            ),
        ),
    ),
)


def layout_named(name: str) -> Layout:
    """The layout of that name, compared without case. Raises DatasetError if there is none."""
    for layout in LAYOUTS:
        if layout.name.casefold() == name.casefold():
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise DatasetError(f"There is no layout {name!r}: choose from {known}")


# --- which files belong to a frame -----------------------------------------------------------


class FrameFile(NamedTuple):
    """A file of a frame: its stem without and with variant, and the rank of its kind."""

    base: str
    stem: str
    kind: FileKind
    rank: int
    path: Path


def files_in(folder: Path, side: Side) -> Iterator[FrameFile]:
    """The regular files in `folder` that belong to `side`. Raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            file = file_named(entry.name, side, folder)
            if file and is_file(entry):
                yield file


def file_named(name: str, side: Side, folder: Path = Path()) -> FrameFile | None:
    """What a file of that name is to `side`; None if it does not belong to it, or is hidden."""
    pattern, variants = _pattern(side)
    match = pattern.fullmatch(name)
    if match is None or name.startswith("."):
        return None
    number = int(str(match.lastgroup).removeprefix("kind"))  # the outermost group, which ends last
    kind, base = side.kinds[number], match["base"]
    preference = kind.suffixes.index(os.path.splitext(name)[1].lower())
    rank = number * len(IMAGE_SUFFIXES) + preference
    variant = match["variant"] or "" if variants else ""
    return FrameFile(base, base + variant, kind, rank, folder / name)


@cache
def _pattern(side: Side) -> tuple[re.Pattern[str], bool]:
    """One expression for all kinds, as each file is matched once, and whether it has variants.

    The longest tag counts: `1_labelTrainIds.png` is no file of the stem `1_labelTrainIds`.
    """
    kinds = (
        f"(?P<kind{number}>{kind.tag}(?:{'|'.join(map(re.escape, kind.suffixes))}))"
        for number, kind in enumerate(side.kinds)
    )
    pattern = re.compile(f"(?P<base>.*?)(?:{'|'.join(kinds)})", re.IGNORECASE | re.DOTALL)
    return pattern, "variant" in pattern.groupindex


def canonical(name: str) -> str:
    """`name` in Unicode's composed form: macOS decomposes the names that it unpacks."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


# --- which folders a pattern has -------------------------------------------------------------


class Place(NamedTuple):
    """A folder with files of a split and a city."""

    split: str
    city: str
    path: Path


def places(base: Path, pattern: str, splits: Collection[str]) -> Iterator[Place]:
    """The folders that `pattern` has below `base`, sorted. Raises OSError.

    As many levels are read as the pattern has, so a link that leads back up causes no loop.
    """
    default = "" if "{split}" in pattern else SPLITS[0]
    if default and default not in splits:
        return
    found = [Place(default, "", base)]
    for component in pattern.split("/"):
        found = [below for place in found for below in _step(place, component, splits)]
    yield from (place._replace(city=place.city or NO_CITY) for place in found)


def _step(place: Place, component: str, splits: Collection[str]) -> Iterator[Place]:
    """The places one level below `place`."""
    if component not in ("{split}", "{city}"):
        if folder := child_named(place.path, component):
            yield place._replace(path=folder)
        return
    for name in subfolders(place.path):
        if component == "{city}":
            city = f"{place.city}_{name}" if place.city else name
            yield Place(place.split, city, place.path / name)
            continue
        split = SPLIT_NAMES.get(name.casefold())
        if split and split in splits and place.split in ("", split):
            yield Place(split, place.city, place.path / name)


def child_named(folder: Path, name: str) -> Path | None:
    """The subfolder of that name, else one whose name differs only in case. Raises OSError."""
    if is_directory(folder / name):
        return folder / name
    same = (child for child in subfolders(folder) if child.casefold() == name.casefold())
    return next((folder / child for child in same), None)


#: A folder with more entries, such as a home folder gone wild, is read up to there.
_MAX_ENTRIES: Final = 50_000


def subfolders(folder: Path) -> list[str]:
    """The sorted names of the visible folders in `folder`. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in islice(entries, _MAX_ENTRIES)
            if not entry.name.startswith(".") and is_directory(entry)
        )


# Links to folders and files are followed: a split often lies on another disk. A link that leads
# to itself, or into a folder closed to us, raises OSError and counts as neither.


def is_directory(path: os.DirEntry[str] | Path) -> bool:
    """Whether `path` is a folder that can be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: os.DirEntry[str] | Path) -> bool:
    """Whether `path` is a regular file that can be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False
