"""Corrections of an edited export: crops, or whole label maps in a layout of a dataset."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import (
    NO_LABEL_MAP,
    Frame,
    UnknownNamesError,
    find_frames,
    read_grey_png,
    read_label_ids,
    reading_of,
)
from cityseg.errors import DatasetError, MaskError, ReviewError, ScoreError
from cityseg.labels import INSTANCES_PER_LABEL, MAP_LABELS, NUM_LABEL_IDS
from cityseg.review.annotated import Annotated, CopyFiles, Uint16Array, read_annotated
from cityseg.review.corrected import Correction
from cityseg.review.crops import LABEL_LIST, MANIFEST, Crop, Manifest, read_manifest
from cityseg.review.ledger import annotation_digest
from cityseg.review.merging import Part, with_parts
from cityseg.system import file_digest, read_at_most
from cityseg.wording import counted

#: CVAT puts this label before those of its task, so that each has a number one higher.
_BEFORE: Final = "background"
#: What tools write label maps as, apart from PNG.
_OTHERS: Final = (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
#: At most so many names in a message.
_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of an edited export, by frame, and sentences on what cannot be used.

    `crops` is how many crops came back, None if whole label maps did.
    """

    by_frame: dict[str, Correction]
    skipped: list[str] = field(default_factory=list)
    crops: int | None = None


def read_corrections(corrected: Path, frames: Sequence[Frame], data: Path) -> Corrections:
    """The corrections in the folder `corrected` for the `frames` of the dataset `data`.

    It holds the crops of an export with its manifest, or label maps as a dataset has them, whose
    frames have the same names. Raises CitysegError if nothing in it can be used.
    """
    if not corrected.is_dir():
        if corrected.is_file():
            raise ReviewError(f"{corrected} is a file: unpack it and name the folder")
        raise ReviewError(f"There is no folder {corrected}: name that of the corrected export")
    manifest = read_manifest(corrected)
    label_0 = _number_of_label_0(corrected, may_shift=manifest is not None)
    found = (
        _of_crops(corrected, manifest, frames, data, label_0)
        if manifest
        else _of_label_maps(corrected, frames, data)
    )
    if not found.by_frame:
        first = f"; the first problem: {found.skipped[0]}" if found.skipped else ""
        raise ReviewError(
            f"Nothing in {corrected} belongs to {data}{first}.{_missing(corrected, manifest)}"
        )
    return found


def _missing(corrected: Path, manifest: Manifest | None) -> str:
    """What a folder without a usable correction may lack: a sentence without a stop, or nothing."""
    if manifest is None:
        return f" For crops, put the {MANIFEST} of the export into it"
    files = [CopyFiles(corrected, crop.name) for crop in manifest.crops]
    if not files or any(each.label_ids.is_file() or each.polygons.is_file() for each in files):
        return ""
    return (
        f" It has none of the {counted(len(files), 'crop')} of its {MANIFEST}: the first is looked "
        f"for at {files[0].label_ids}"
    )


def _number_of_label_0(corrected: Path, *, may_shift: bool) -> int:
    """The number that a tool has given to label 0: 0, or 1 behind a label of its own.

    Raises ReviewError if it has numbered the labels in another way than Cityscapes.
    """
    try:
        content = read_at_most(corrected / LABEL_LIST, 1 << 20)
    except OSError:
        return 0
    lines = (content or b"").decode(errors="replace").splitlines()
    names = [match[1] for line in lines if (match := re.search(r"([A-Za-z][\w -]*)\s*$", line))]
    first = int(may_shift and names[:1] == [_BEFORE])
    for number, (name, label) in enumerate(zip(names[first:], MAP_LABELS, strict=False), first):
        if _plain(name) != _plain(label.name):
            raise ReviewError(
                f"{corrected / LABEL_LIST} has {name} as number {number}, where Cityscapes has "
                f"{label.name}: export with the labels of Cityscapes in their order"
            )
    return first


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


# --- crops -----------------------------------------------------------------------------------


def _of_crops(
    corrected: Path, manifest: Manifest, frames: Sequence[Frame], data: Path, label_0: int
) -> Corrections:
    by_name = {frame.name: frame for frame in frames}
    by_frame: dict[str, list[Crop]] = {}
    skipped: list[str] = []
    for crop in manifest.crops:
        files = CopyFiles(corrected, crop.name)
        if _came_back(files, crop):
            by_frame.setdefault(crop.frame, []).append(crop)
        elif others := [
            path for path in map(files.label_ids.with_suffix, _OTHERS) if path.is_file()
        ]:
            skipped.append(
                f"{crop.name}: {others[0]} is no PNG, as label maps are: export it as one"
            )
    for name, crops in list(by_frame.items()):
        if problem := _why_foreign(by_name.get(name), crops, data):
            skipped.append(f"{name}: {problem}")
            del by_frame[name]
    count = sum(map(len, by_frame.values()))
    corrections = {name: _correction(corrected, crops, label_0) for name, crops in by_frame.items()}
    return Corrections(corrections, skipped, count)


def _came_back(files: CopyFiles, crop: Crop) -> bool:
    """Whether there is a label map, or polygons that a tool has written."""
    return files.label_ids.is_file() or (
        files.polygons.is_file() and file_digest(files.polygons) != crop.polygons
    )


def _why_foreign(frame: Frame | None, crops: Sequence[Crop], data: Path) -> str:
    """Why crops are not those of a frame as it is now; empty if they are."""
    if frame is None:
        return f"{data} has no such frame: name the dataset of the export"
    digest = annotation_digest(frame)
    if any(crop.annotation != digest for crop in crops):
        return "Its annotation has changed since the export: export it again"
    return ""


def _correction(corrected: Path, crops: Sequence[Crop], label_0: int) -> Correction:
    def correct(before: Annotated) -> Annotated:
        try:
            parts = [_read_part(CopyFiles(corrected, crop.name), crop, label_0) for crop in crops]
            return with_parts(before, parts)
        except ReviewError as error:
            if others := len(crops) - 1:
                waiting = f"{counted(others, 'other crop')} of the frame left out with it"
                raise ReviewError(f"{error} ({waiting})") from error
            raise

    return correct


def _read_part(files: CopyFiles, crop: Crop, label_0: int) -> Part:
    """A crop as it came back; where only its polygons were edited, what they draw.

    `label_0` is the number of label 0 in maps that were edited. Raises ReviewError.
    """
    is_edited = files.label_ids.is_file() and file_digest(files.label_ids) != crop.label_ids
    is_drawn = files.polygons.is_file() and (
        not files.label_ids.is_file()
        or (not is_edited and file_digest(files.polygons) != crop.polygons)
    )
    if is_drawn:
        return Part(crop.name, crop.box, Annotated(_read(files.polygons)))
    shift = label_0 if is_edited else 0
    label_ids = _read_shifted(files.label_ids, shift) if shift else _read(files.label_ids)
    if not crop.has_instances or not files.instance_ids.is_file():
        return Part(crop.name, crop.box, Annotated(label_ids))
    ids = _read_ids(files.instance_ids)
    if shift:
        # The number of a label, or 1,000 times that and the number of an object.
        less = np.where(ids < INSTANCES_PER_LABEL, shift, shift * INSTANCES_PER_LABEL)
        ids = (ids - np.minimum(ids, less)).astype(np.uint16)
    return Part(crop.name, crop.box, Annotated(label_ids, ids))


def _read_ids(path: Path) -> Uint16Array:
    try:
        return read_grey_png(path, np.uint16)
    except ScoreError as error:
        raise ReviewError(str(error)) from error


def _read_shifted(path: Path, shift: int) -> Uint8Array:
    """Label ids from numbers that are higher by `shift`; the tool's own label becomes 0."""
    try:
        numbers = read_grey_png(path, np.uint8)
    except ScoreError as error:
        raise ReviewError(str(error)) from error
    if (most := int(numbers.max())) >= NUM_LABEL_IDS + shift:
        raise ReviewError(f"{path} has the number {most}, which is no label of {LABEL_LIST}")
    return as_uint8(np.maximum(numbers, shift) - np.uint8(shift))


def _read(path: Path) -> Uint8Array:
    try:
        return read_label_ids(path, NO_LABEL_MAP)
    except UnknownNamesError as error:
        raise ReviewError(
            f"{path} has objects with labels that Cityscapes does not have "
            f"({', '.join(list(error.names)[:_LISTED])}): rename them, and import again"
        ) from error
    except MaskError as error:
        raise ReviewError(error.detail) from error


# --- whole label maps ------------------------------------------------------------------------


def _of_label_maps(corrected: Path, frames: Sequence[Frame], data: Path) -> Corrections:
    theirs = _annotated_frames(corrected, frames)
    reading = reading_of(list(theirs.values()), corrected / "masks")
    ours = {frame.name for frame in frames}
    skipped = [f"{name}: {data} has no such frame" for name in theirs if name not in ours]

    def correction(frame: Frame) -> Correction:
        def correct(before: Annotated) -> Annotated:
            try:
                after = read_annotated(frame, reading)
            except MaskError as error:
                raise ReviewError(error.detail) from error
            height, width = before.label_ids.shape
            return with_parts(before, [Part(frame.name, (0, 0, height, width), after)])

        return correct

    wanted = {name: frame for name, frame in theirs.items() if name in ours}
    if wanted:
        reading.verdict.checked()
    return Corrections({name: correction(frame) for name, frame in wanted.items()}, skipped)


def _annotated_frames(corrected: Path, frames: Sequence[Frame]) -> dict[str, Frame]:
    """The frames of a dataset with an annotation; raises DatasetError if there is no dataset.

    Without any pictures, those of `frames` that have files where Cityscapes has them.
    """
    try:
        found = find_frames(corrected)
    except DatasetError:
        found = [_annotated_frame(corrected, frame) for frame in frames]
        if not any(each.label_ids or each.polygons for each in found):
            raise
    return {each.name: each for each in found if each.label_ids or each.polygons}


def _annotated_frame(corrected: Path, frame: Frame) -> Frame:
    files = CopyFiles(corrected, frame.name)
    paths = files.label_ids, files.instance_ids, files.polygons
    label_ids, instance_ids, polygons = (each if each.is_file() else None for each in paths)
    return Frame(frame.split, frame.city, frame.stem, None, label_ids, instance_ids, polygons)
