"""Corrections of an edited export: crops, or whole label maps in a layout of a dataset."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from cityseg.data import (
    NO_LABEL_MAP,
    Frame,
    find_frames,
    read_grey_png,
    read_label_ids,
    reading_of,
)
from cityseg.errors import DatasetError, MaskError, ReviewError, ScoreError
from cityseg.labels import MAP_LABELS
from cityseg.review.annotated import Annotated, CopyFiles, read_annotated
from cityseg.review.corrected import Correction
from cityseg.review.crops import MANIFEST, Crop, Manifest, read_manifest
from cityseg.review.ledger import annotation_digest
from cityseg.review.merging import Part, with_parts
from cityseg.system import file_digest, read_at_most

#: Some tools list the labels of a label map there, by their number.
_LABEL_LIST: Final = "label_colors.txt"


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
        raise ReviewError(f"There is no folder {corrected}: name that of the corrected export")
    _check_label_list(corrected)
    manifest = read_manifest(corrected)
    found = (
        _of_crops(corrected, manifest, frames, data)
        if manifest
        else _of_label_maps(corrected, frames, data)
    )
    if not found.by_frame:
        first = f"; the first problem: {found.skipped[0]}" if found.skipped else ""
        raise ReviewError(
            f"Nothing in {corrected} belongs to {data}{first}. For crops, put the {MANIFEST} of "
            "the export into it"
        )
    return found


def _check_label_list(corrected: Path) -> None:
    """Raise ReviewError if a tool has numbered the labels in another way than Cityscapes."""
    try:
        content = read_at_most(corrected / _LABEL_LIST, 1 << 20)
    except OSError:
        return
    lines = (content or b"").decode(errors="replace").splitlines()
    names = [match[1] for line in lines if (match := re.search(r"([A-Za-z][\w -]*)\s*$", line))]
    for number, (name, label) in enumerate(zip(names, MAP_LABELS, strict=False)):
        if _plain(name) != _plain(label.name):
            raise ReviewError(
                f"{corrected / _LABEL_LIST} has {name} as number {number}, where Cityscapes has "
                f"{label.name}: export with the labels of Cityscapes in their order"
            )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


# --- crops -----------------------------------------------------------------------------------


def _of_crops(
    corrected: Path, manifest: Manifest, frames: Sequence[Frame], data: Path
) -> Corrections:
    by_name = {frame.name: frame for frame in frames}
    by_frame: dict[str, list[Crop]] = {}
    skipped: list[str] = []
    for crop in manifest.crops:
        if _exists(CopyFiles(corrected, crop.name)):
            by_frame.setdefault(crop.frame, []).append(crop)
    for name, crops in list(by_frame.items()):
        if problem := _why_foreign(by_name.get(name), crops, data):
            skipped.append(f"{name}: {problem}")
            del by_frame[name]
    count = sum(map(len, by_frame.values()))
    corrections = {name: _correction(corrected, crops) for name, crops in by_frame.items()}
    return Corrections(corrections, skipped, count)


def _exists(files: CopyFiles) -> bool:
    return files.label_ids.is_file() or files.polygons.is_file()


def _why_foreign(frame: Frame | None, crops: Sequence[Crop], data: Path) -> str:
    """Why crops are not those of a frame as it is now; empty if they are."""
    if frame is None:
        return f"{data} has no such frame: name the dataset of the export"
    digest = annotation_digest(frame)
    if any(crop.annotation != digest for crop in crops):
        return "Its annotation has changed since the export: export it again"
    return ""


def _correction(corrected: Path, crops: Sequence[Crop]) -> Correction:
    def correct(before: Annotated) -> Annotated:
        parts = [_read_part(CopyFiles(corrected, crop.name), crop) for crop in crops]
        return with_parts(before, parts)

    return correct


def _read_part(files: CopyFiles, crop: Crop) -> Part:
    """A crop as it came back; where only its polygons were edited, what they draw.

    Raises MaskError for values that are no label ids, or ReviewError.
    """
    is_edited = files.label_ids.is_file() and file_digest(files.label_ids) != crop.label_ids
    is_drawn = files.polygons.is_file() and (
        not files.label_ids.is_file()
        or (not is_edited and file_digest(files.polygons) != crop.polygons)
    )
    if is_drawn:
        return Part(crop.name, crop.box, Annotated(_read(files.polygons)))
    label_ids = _read(files.label_ids)
    if not crop.has_instances or not files.instance_ids.is_file():
        return Part(crop.name, crop.box, Annotated(label_ids))
    try:
        ids = read_grey_png(files.instance_ids, np.uint16)
    except ScoreError as error:
        raise ReviewError(str(error)) from error
    return Part(crop.name, crop.box, Annotated(label_ids, ids))


def _read(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    try:
        return read_label_ids(path, NO_LABEL_MAP)
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
