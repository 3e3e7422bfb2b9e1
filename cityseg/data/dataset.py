"""Find the frames of a dataset and pair images with annotations.

The official layout, where `<stem>` is `<city>_<seq>_<frame>`:

    leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png          (or .jpg .jpeg .webp)
    gtFine/<split>/<city>/<stem>_gtFine_labelIds.png           (or only …_polygons.json)
    gtFine/<split>/<city>/<stem>_gtFine_instanceIds.png        (needed only for iIoU)

`layouts` describes the others that are read. No file is opened: names decide, so 5,000 frames are
listed in a fraction of a second, and a damaged file is found when it is read.
"""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cityseg.data.diagnosis import folders_of, named_inside, what_is_there
from cityseg.data.frame import Frame
from cityseg.data.layouts import (
    ANNOTATIONS,
    IMAGES,
    LAYOUT_VARIABLE,
    SPLITS,
    Layout,
    layout_named,
)
from cityseg.data.locating import Located, locate
from cityseg.data.pairing import FrameFiles, Key, align, files_by_frame
from cityseg.data.pairs import pairs_message
from cityseg.data.report import kept_layout
from cityseg.data.unread import NAME_LAYOUT, not_read
from cityseg.errors import DatasetError
from cityseg.system import pausing_collection


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
                f"{root} has no images or annotations in {folders_of(located.layout.images)}."
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


def missing_splits_message(
    root: Path, splits: Sequence[str], layout: str | None = None, masks: Path | None = None
) -> str:
    """The splits with frames, and where those of `splits`, which have none, may lie."""
    found = {frame.split for frame in find_frames(root, layout=layout, masks=masks)}
    present = ", ".join(split for split in SPLITS if split in found)
    there = "".join(f". {text}" for text in not_read(root, _locate(root, layout, masks), splits))
    return f" (there are frames in {present}){there}"


def folder_warnings(
    root: Path,
    frames: Sequence[Frame],
    layout: str | None = None,
    masks: Path | None = None,
    name_layout: str = NAME_LAYOUT,
) -> list[str]:
    """What is odd about the folders in which `frames` were found by the same arguments.

    Images or annotations that are missing as a whole or for a split, links that lead nowhere, and
    folders of images or annotations that are not read: a sentence each, without a stop. Of those in
    another layout they say to `name_layout`.
    """
    located = _locate(root, layout, masks)
    unread = not_read(root, located, name_layout=name_layout)
    return [*_missing_halves(root, frames, located.layout), *unread]


def _missing_halves(root: Path, frames: Sequence[Frame], layout: Layout) -> Iterator[str]:
    """A sentence if no frame, or none of a split, has an image or an annotation."""
    by_split = {split: [f for f in frames if f.split == split] for split in SPLITS}
    if missing := _missing_half(frames):
        yield (
            f"{_without(missing, len(frames), f'in {root}')}: it is looked for in "
            f"{_wanted_folders(layout, missing)}.{what_is_there(root, wanted=missing)}"
        ).removesuffix(".")
        return
    for split, of_split in by_split.items():
        # The test split of other datasets comes without annotations.
        if split != "test" and (missing := _missing_half(of_split)):
            yield (
                f"{_without(missing, len(of_split), f'of {split}')}: it is looked for in "
                f"{_wanted_folders(layout, missing).replace('<split>', split)}"
            )


def _missing_half(frames: Sequence[Frame]) -> str | None:
    """The field of Frame that none of `frames` has, where they have the other one."""
    images = any(frame.image for frame in frames)
    annotations = any(frame.label_ids or frame.polygons for frame in frames)
    if images == annotations:
        return None
    return "label_ids" if images else "image"


def _without(missing: str, count: int, where: str) -> str:
    """That none of `count` frames has the field of Frame `missing`."""
    there, lacking = ("annotation", "image") if missing == "image" else ("image", "annotation")
    if count == 1:
        return f"The only {there} {where} has no {lacking}"
    return f"None of the {count:,} {there}s {where} has an {lacking}"


def _wanted_folders(layout: Layout, missing: str) -> str:
    side = layout.images if missing == "image" else layout.annotations[0]
    return folders_of(side)


@contextmanager
def _root_checked(root: Path) -> Iterator[None]:
    """Turn the errors of listing `root` into DatasetError."""
    try:
        yield
    except FileNotFoundError:
        raise DatasetError(
            f"There is no folder {root}: name the folder with {IMAGES} and {ANNOTATIONS}, or make "
            f"a sample ({_command('sample', root)})"
        ) from None
    except NotADirectoryError:
        raise DatasetError(f"{root} is a file: name the folder with {IMAGES}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(
            f"The folder {root} cannot be read ({reason}): name the folder with {IMAGES} "
            f"and {ANNOTATIONS}"
        ) from error


def _command(*arguments: object) -> str:
    return f"python -m cityseg {shlex.join(map(str, arguments))}"


def _chosen_layout(root: Path, name: str | None, masks: Path | None) -> str | None:
    """The layout named now, else by $CITYSEG_LAYOUT, else for the last conversion."""
    name = name or os.environ.get(LAYOUT_VARIABLE)
    return layout_named(name).name if name else kept_layout(masks or root / "masks")


def _locate(root: Path, name: str | None, masks: Path | None) -> Located:
    """Where the images and annotations of `root` lie. Raises OSError and DatasetError."""
    named = _chosen_layout(root, name, masks)
    chosen = layout_named(named) if named else None
    found = locate(root, chosen)
    if chosen and not found.located and not (name or os.environ.get(LAYOUT_VARIABLE)):
        chosen = None  # since the last conversion, other frames have taken the place of those
        found = locate(root)
    if found.located:
        return found.located
    if chosen:
        raise DatasetError(
            f"{root} has no folder {folders_of(chosen.images)}, as the layout {chosen.name} has "
            f"it: {_other_layout(root) or f'name another folder or layout.{what_is_there(root)}'}"
        )
    raise DatasetError(
        named_inside(root)
        or pairs_message(root)
        or f"{root} has no {IMAGES}/train, {IMAGES}/val or {IMAGES}/test: unpack the Cityscapes "
        f"zips there ({_command('import', 'ZIP', 'ZIP', '--data', root)}) or make a sample "
        f"({_command('sample', root)}).{_half_a_layout(found.half)}{what_is_there(root)}"
    )


def _other_layout(root: Path) -> str:
    """What to do if `root` has another layout than the one that was named."""
    located = locate(root).located
    return (
        f"its folders are those of {located.layout.name}, so leave --layout out" if located else ""
    )


def _half_a_layout(located: Located | None) -> str:
    """A sentence about the images of a layout that only annotations would prove."""
    if not located:
        return ""
    layout = located.layout
    wanted = folders_of(layout.annotations[0])
    return f" If these are images of {layout.name}, annotations are missing: {wanted}."


# --- frames ----------------------------------------------------------------------------------


@pausing_collection()
def _frames(located: Located, splits: Sequence[str]) -> list[Frame]:
    """The frames of `splits`, sorted. Raises OSError."""
    layout = located.layout
    wanted = tuple(split for split in SPLITS if split in splits)
    images = files_by_frame(located.images, layout.images, wanted)
    annotations: dict[Key, FrameFiles] = {}
    for parts, side in zip(located.annotations, layout.annotations, strict=True):
        done = {split for split, _, _ in annotations}
        rest = tuple(split for split in wanted if split not in done)
        annotations |= files_by_frame(parts, side, rest)
    align(images, annotations)
    frames = [
        frame
        for key in (images if layout.shared else images | annotations)
        for frame in _frames_of(key[0], images.get(key), annotations.get(key))
    ]
    return sorted(frames, key=lambda frame: (SPLITS.index(frame.split), frame.city, frame.stem))


def _frames_of(
    split: str, images: FrameFiles | None, annotation: FrameFiles | None
) -> Iterator[Frame]:
    """The frame of a key, or several if its image has variants, such as densities of fog."""
    files = annotation.preferred() if annotation else {}
    label_ids = files.get("label_ids")
    paths = {field: file.path for field, file in files.items()}
    hint = label_ids.kind.encoding if label_ids else None
    if images:
        for (stem, _), image in images.files.items():
            yield Frame(split, images.city, stem, image.path, **paths, encoding_hint=hint)
    elif annotation and paths.keys() != {"instance_ids"}:
        stem = next(iter(annotation.files))[0]
        yield Frame(split, annotation.city, stem, **paths, encoding_hint=hint)
