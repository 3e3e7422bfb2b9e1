"""Find the frames of a Cityscapes folder and pair images with annotations.

Expected below the root, where `<stem>` is `<city>_<seq>_<frame>`:

    leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png          (or .jpg .jpeg .webp)
    gtFine/<split>/<city>/<stem>_gtFine_labelIds.png           (or only …_polygons.json)
    gtFine/<split>/<city>/<stem>_gtFine_instanceIds.png        (needed only for iIoU)

Both folders may lie one level deeper, as the Kaggle zips unpack them
(`leftImg8bit_trainvaltest/leftImg8bit/…`). No file is opened: names decide, so 5,000 frames are
listed in a fraction of a second, and a damaged file is found when it is read.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import DatasetError

SPLITS: Final = ("train", "val", "test")
#: In order of preference, for a frame that has several files.
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
IMAGES: Final = "leftImg8bit"
ANNOTATIONS: Final = "gtFine"
MASK_SUFFIX: Final = "_mask.png"
#: Field of Frame -> the end of its file's name: a tag, then one of the suffixes.
FRAME_FILES: Final = {
    "image": (f"_{IMAGES}", IMAGE_SUFFIXES),
    "label_ids": (f"_{ANNOTATIONS}_labelIds", IMAGE_SUFFIXES),
    "instance_ids": (f"_{ANNOTATIONS}_instanceIds", (".png",)),
    "polygons": (f"_{ANNOTATIONS}_polygons", (".json",)),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a split; a path is None if there is no such file.

    `label_ids`, `instance_ids` and `polygons` are the annotation's files. A frame with only an
    image or only an annotation is listed too: the code that needs the other reports it missing.
    """

    split: str
    city: str
    stem: str
    image: Path | None = None
    label_ids: Path | None = None
    instance_ids: Path | None = None
    polygons: Path | None = None

    @property
    def name(self) -> str:
        """`<split>/<city>/<stem>`: unique in a dataset and safe as a relative path."""
        return f"{self.split}/{self.city}/{self.stem}"

    def mask(self, masks: Path) -> Path:
        """Where this frame's converted mask lies below the folder `masks`."""
        return masks / self.split / self.city / f"{self.stem}{MASK_SUFFIX}"


def find_frames(root: Path, splits: Sequence[str] = SPLITS) -> list[Frame]:
    """List the frames of `splits` below `root`, sorted by split, city and stem.

    A split without a folder has no frames. Raises DatasetError if `root` is no Cityscapes folder,
    the folder of a split or a city cannot be read, or a split is unknown.
    """
    check_splits(splits)
    tops = {kind: _find_top(root, kind) for kind in (IMAGES, ANNOTATIONS)}
    frames: list[Frame] = []
    try:
        for split in SPLITS:
            if split in splits:
                frames += _frames_of_split(tops[IMAGES], tops[ANNOTATIONS], split)
    except OSError as error:
        raise DatasetError(
            f"The folder {error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    return frames


def check_splits(splits: Iterable[str]) -> None:
    """Raise DatasetError if one of `splits` is not in SPLITS."""
    if unknown := [split for split in splits if split not in SPLITS]:
        raise DatasetError(f"There is no split {unknown[0]!r}: choose from {', '.join(SPLITS)}")


def _find_top(root: Path, kind: str) -> Path | None:
    """The folder `kind` in `root`, or one level deeper; a folder without splits does not count."""
    try:
        children = sorted(entry.name for entry in os.scandir(root) if _is_visible_directory(entry))
    except FileNotFoundError:
        raise DatasetError(
            f"There is no folder {root}: name the folder with {IMAGES} and {ANNOTATIONS}, "
            f"or set {DATASET_VARIABLE}"
        ) from None
    except NotADirectoryError:
        raise DatasetError(f"{root} is a file: name the folder with {IMAGES}") from None
    except OSError as error:
        raise DatasetError(
            f"The folder {root} cannot be read ({error.strerror}): name the folder with {IMAGES} "
            f"and {ANNOTATIONS}"
        ) from error
    candidates = [root / kind, *(root / child / kind for child in children)]
    with_splits = [top for top in candidates if any(_is_directory(top / split) for split in SPLITS)]
    if with_splits:
        return with_splits[0]
    if kind == IMAGES:
        raise DatasetError(
            f"{root} has no {IMAGES}/train, {IMAGES}/val or {IMAGES}/test: unpack the Cityscapes "
            f"zips there (python -m cityseg import) or make a sample (python -m cityseg sample)"
        )
    return None


def _is_visible_directory(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and _is_directory(entry)


# Links to folders and files are followed: a split often lies on another disk. A link that leads
# to itself, or into a folder closed to us, raises OSError and counts as neither.


def _is_directory(path: os.DirEntry[str] | Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _frames_of_split(images: Path | None, annotations: Path | None, split: str) -> list[Frame]:
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for top in (images, annotations):
        for city, stem, field, path in _scan(top / split) if top else ():
            fields = found.setdefault((city, stem), {})
            if field not in fields or _preference(path) < _preference(fields[field]):
                fields[field] = path
    return [
        Frame(split, city, stem, **fields)
        for (city, stem), fields in sorted(found.items())
        if fields.keys() != {"instance_ids"}
    ]


def _preference(path: Path) -> int:
    return (*IMAGE_SUFFIXES, ".json").index(path.suffix.lower())


def _scan(split_folder: Path) -> Iterator[tuple[str, str, str, Path]]:
    """Yield (city, stem, field of Frame, path) of each regular file that belongs to a frame.

    Exactly two levels are read, so a link that leads back up cannot cause a loop.
    """
    if not split_folder.is_dir():
        return
    for city in filter(_is_visible_directory, os.scandir(split_folder)):
        for entry in os.scandir(city.path):
            root, suffix = os.path.splitext(entry.name)
            for field, (tag, suffixes) in FRAME_FILES.items():
                if (
                    root.endswith(tag)
                    and suffix.lower() in suffixes
                    and not root.startswith(".")
                    and _is_file(entry)
                ):
                    yield city.name, root.removesuffix(tag), field, Path(entry.path)
