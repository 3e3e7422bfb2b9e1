"""Find the frames of a dataset and pair images with annotations.

The official layout, where `<stem>` is `<city>_<seq>_<frame>`:

    leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png          (or .jpg .jpeg .webp)
    gtFine/<split>/<city>/<stem>_gtFine_labelIds.png           (or only …_polygons.json)
    gtFine/<split>/<city>/<stem>_gtFine_instanceIds.png        (needed only for iIoU)

`layouts` describes the others that are read. No file is opened: names decide, so 5,000 frames are
listed in a fraction of a second, and a damaged file is found when it is read.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cityseg.data.diagnosis import named_inside, what_is_there
from cityseg.data.layouts import (
    ANNOTATIONS,
    IMAGE_SUFFIXES,
    IMAGES,
    LAYOUT_VARIABLE,
    NO_CITY,
    SPLITS,
    FrameFile,
    Layout,
    Side,
    canonical,
    files_in,
    layout_named,
)
from cityseg.data.locating import Located, Part, locate, places_of
from cityseg.data.pairs import pairs_message
from cityseg.data.report import kept_layout
from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import DatasetError

MASK_SUFFIX: Final = "_mask.png"
#: Field of Frame -> the end of its file's name in the official layout: a tag, then a suffix.
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

    `encoding_hint` is what the name or the layout says about the values of `label_ids`:
    "trainids", "colors" or "palette"; None for files that are called label ids. It is no proof.
    """

    split: str
    city: str
    stem: str
    image: Path | None = None
    label_ids: Path | None = None
    instance_ids: Path | None = None
    polygons: Path | None = None
    encoding_hint: str | None = None

    @property
    def name(self) -> str:
        """`<split>/<city>/<stem>`: unique in a dataset and safe as a relative path."""
        return f"{self.split}/{self.city}/{self.stem}"

    def mask(self, masks: Path) -> Path:
        """Where this frame's converted mask lies below the folder `masks`."""
        return masks / self.split / self.city / f"{self.stem}{MASK_SUFFIX}"


def find_frames(
    root: Path,
    splits: Sequence[str] = SPLITS,
    layout: str | None = None,
    masks: Path | None = None,
) -> list[Frame]:
    """List the frames of `splits` below `root`, sorted by split, city and stem.

    A split without files has no frames. `layout` is the name of one in `layouts.LAYOUTS`; None
    means $CITYSEG_LAYOUT, or the one that was chosen for the conversion to `masks` (default:
    `root`/masks), or the one that the folders have. Raises DatasetError if `root` has no
    frames in any split, a folder cannot be read, or a split or layout is unknown.
    """
    check_splits(splits)
    with _root_checked(root):
        located = _locate(root, layout, masks)
    try:
        frames = _frames(located, splits)
        if not frames and not _frames(located, SPLITS):
            raise DatasetError(
                f"{root} has no images or annotations in {_folders_of(located.layout)}."
                f"{what_is_there(root)}"
            )
    except OSError as error:
        raise DatasetError(
            f"The folder {error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    return frames


def layout_found(
    root: Path, layout: str | None = None, masks: Path | None = None
) -> tuple[str, bool]:
    """The name of the layout of which `find_frames` lists the frames, and whether it was chosen.

    Chosen is a layout that was named now, by $CITYSEG_LAYOUT or for the last conversion, rather
    than found by the folders. Raises DatasetError as `find_frames` does.
    """
    with _root_checked(root):
        found = _locate(root, layout, masks).layout.name
    return found, found == _chosen_layout(root, layout, masks)


def watched_folders(root: Path, layout: str | None = None, masks: Path | None = None) -> list[Path]:
    """The folders whose times change when a frame of `root` appears or disappears.

    Empty where there is no dataset.
    """
    try:
        return _locate(root, layout, masks).folders()
    except (OSError, DatasetError):
        return []


def check_splits(splits: Iterable[str]) -> None:
    """Raise DatasetError if one of `splits` is not in SPLITS."""
    if unknown := [split for split in splits if split not in SPLITS]:
        raise DatasetError(f"There is no split {unknown[0]!r}: choose from {', '.join(SPLITS)}")


def missing_splits_message(root: Path, splits: Sequence[str]) -> str:
    """The splits with frames, and where those of `splits`, which have none, may lie."""
    found = {frame.split for frame in find_frames(root)}
    present = ", ".join(split for split in SPLITS if split in found)
    there = what_is_there(root, splits=splits, found=sorted(found))
    return f" (there are frames in {present}){there and '.'}{there}"


def missing_half_message(root: Path, frames: Sequence[Frame]) -> str:
    """A sentence if none of `frames` has an image, or none an annotation, else ""."""
    images = sum(frame.image is not None for frame in frames)
    annotations = sum(frame.label_ids is not None or bool(frame.polygons) for frame in frames)
    if images and not annotations:
        there = what_is_there(root, wanted="label_ids")
        return f"None of the {images:,} images in {root} has an annotation.{there}"
    if annotations and not images:
        return (
            f"None of the {annotations:,} annotations in {root} has an image.{what_is_there(root)}"
        )
    return ""


@contextmanager
def _root_checked(root: Path) -> Iterator[None]:
    """Turn the errors of listing `root` into DatasetError."""
    try:
        yield
    except FileNotFoundError:
        raise DatasetError(
            f"There is no folder {root}: name the folder with {IMAGES} and {ANNOTATIONS}, "
            f"or set {DATASET_VARIABLE}"
        ) from None
    except NotADirectoryError:
        raise DatasetError(f"{root} is a file: name the folder with {IMAGES}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(
            f"The folder {root} cannot be read ({reason}): name the folder with {IMAGES} "
            f"and {ANNOTATIONS}"
        ) from error


def _chosen_layout(root: Path, name: str | None, masks: Path | None) -> str | None:
    """The layout named now, else by $CITYSEG_LAYOUT, else for the last conversion."""
    name = name or os.environ.get(LAYOUT_VARIABLE)
    return layout_named(name).name if name else kept_layout(masks or root / "masks")


def _locate(root: Path, name: str | None, masks: Path | None) -> Located:
    """Where the images and annotations of `root` lie. Raises OSError and DatasetError."""
    named = _chosen_layout(root, name, masks)
    chosen = layout_named(named) if named else None
    if located := locate(root, chosen):
        return located
    if chosen and not (name or os.environ.get(LAYOUT_VARIABLE)):
        chosen = None  # since the last conversion, other frames have taken the place of those
        if located := locate(root):
            return located
    if chosen:
        raise DatasetError(
            f"{root} has no folder {_folders_of(chosen)}, as the layout {chosen.name} has it: "
            f"name another folder or layout.{what_is_there(root)}"
        )
    raise DatasetError(
        named_inside(root)
        or pairs_message(root)
        or f"{root} has no {IMAGES}/train, {IMAGES}/val or {IMAGES}/test: unpack the Cityscapes "
        "zips there (python -m cityseg import) or make a sample (python -m cityseg sample)."
        f"{what_is_there(root)}"
    )


def _folders_of(layout: Layout) -> str:
    return layout.images.folders[0].replace("{", "<").replace("}", ">")


# --- pairing ---------------------------------------------------------------------------------

#: Split, city and stem without variant, the latter two in composed Unicode.
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one side with one key: of each stem and field of Frame, the preferred one."""

    city: str
    files: dict[tuple[str, str], FrameFile] = field(default_factory=dict)

    def add(self, file: FrameFile) -> None:
        known = self.files.setdefault((file.stem, file.kind.field), file)
        if file.rank < known.rank:
            self.files[file.stem, file.kind.field] = file


def _frames(located: Located, splits: Sequence[str]) -> list[Frame]:
    """The frames of `splits`, sorted. Raises OSError."""
    layout = located.layout
    wanted = tuple(split for split in SPLITS if split in splits)
    images = _files(located.images, layout.images, layout, wanted)
    annotations: dict[_Key, _Files] = {}
    for parts, side in zip(located.annotations, layout.annotations, strict=True):
        done = {split for split, _, _ in annotations}
        rest = tuple(split for split in wanted if split not in done)
        annotations |= _files(parts, side, layout, rest)
    _align_cities(images, annotations)
    frames = [
        frame
        for key in (images if layout.shared else images | annotations)
        for frame in _frames_of(key, images.get(key), annotations.get(key))
    ]
    return sorted(frames, key=lambda frame: (SPLITS.index(frame.split), frame.city, frame.stem))


def _files(
    parts: Sequence[Part], side: Side, layout: Layout, splits: Sequence[str]
) -> dict[_Key, _Files]:
    found: dict[_Key, _Files] = {}
    for base, there in parts:
        wanted = [split for split in splits if split in there]
        for split, city, folder in places_of(base, side, layout, wanted):
            for file in files_in(folder, side):
                key = (split, canonical(city), canonical(file.base))
                found.setdefault(key, _Files(city)).add(file)
    return found


def _align_cities(images: dict[_Key, _Files], annotations: dict[_Key, _Files]) -> None:
    """Pair by stem where one side has folders of cities and the other has none."""
    for flat, nested in ((images, annotations), (annotations, images)):
        loose = [key for key in flat.keys() - nested.keys() if key[1] == NO_CITY]
        if not loose:
            continue
        cities: dict[tuple[str, str], list[_Key]] = {}
        for key in nested.keys() - flat.keys():
            cities.setdefault((key[0], key[2]), []).append(key)
        for key in loose:
            if len(same := cities.get((key[0], key[2]), [])) == 1:
                flat[same[0]] = _Files(nested[same[0]].city, flat.pop(key).files)


def _frames_of(key: _Key, images: _Files | None, annotation: _Files | None) -> Iterator[Frame]:
    """The frame of a key, or several if its image has variants, such as densities of fog."""
    files = {field: file for (_, field), file in annotation.files.items()} if annotation else {}
    label_ids = files.get("label_ids")
    if label_ids and label_ids.kind.encoding and "polygons" in files:
        del files["label_ids"]  # polygons have all labels; train ids and colours do not
        label_ids = None
    paths = {field: file.path for field, file in files.items()}
    hint = label_ids.kind.encoding if label_ids else None
    if images:
        for (stem, _), image in images.files.items():
            yield Frame(key[0], images.city, stem, image.path, **paths, encoding_hint=hint)
    elif annotation and paths.keys() != {"instance_ids"}:
        stem = next(iter(annotation.files))[0]
        yield Frame(key[0], annotation.city, stem, **paths, encoding_hint=hint)
