"""Crops of judged regions in Cityscapes' layout, for annotation tools, and what comes back.

    OUT/leftImg8bit/<split>/<city>/<crop>_leftImg8bit.png
    OUT/gtFine/<split>/<city>/<crop>_gtFine_labelIds.png, …_instanceIds.png, …_polygons.json
    OUT/label_colors.txt       the labels by their ids, for CVAT
    OUT/cityseg-review.json    where each crop lies, of which annotation, and digests of its files

A crop is called <stem>_<top>_<left>_<bottom>_<right>. Tools that read instance ids need them: where
the dataset has none they are label ids. CVAT takes the number of a label from label_colors.txt, or,
without it, from the order of the labels in its own task.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated as Checked
from typing import Final

import numpy as np
from pydantic import AfterValidator, Field

from cityseg.data import Frame, Reading, decode_frame, png
from cityseg.errors import CitysegError, ReviewError
from cityseg.labels import MAP_LABELS
from cityseg.review.annotated import (
    Annotated,
    CopyFiles,
    cropped,
    read_annotated,
    read_file,
    write_maps,
)
from cityseg.review.lines import FrameName
from cityseg.review.outlines import polygons_of
from cityseg.review.regions import Box, Region
from cityseg.review.verdict_table import VerdictRow, by_place
from cityseg.system import (
    LARGE,
    Count,
    FileModel,
    ProgressCallback,
    file_digest,
    map_in_threads,
    new_folder,
    read_model,
    write_json,
)

MANIFEST: Final = "cityseg-review.json"
#: Annotation tools list the labels there, by their number: red, green, blue, name.
LABEL_LIST: Final = "label_colors.txt"
#: Pixels around a region, at least and as a share of its larger side.
_LEAST_CONTEXT: Final = 64
_CONTEXT: Final = 0.5


def _check_box(box: Box) -> Box:
    top, left, bottom, right = box
    if bottom <= top or right <= left:
        raise ValueError("the box of a crop has no pixels")
    return box


class Crop(FileModel):
    """A crop: its name, the frame, the digest of its annotation, and top, left, bottom, right.

    The bottom and right are exclusive. `label_ids` and `polygons` are digests of its own files.
    """

    name: FrameName
    frame: FrameName
    annotation: str
    box: Checked[tuple[Count, Count, Count, Count], Field(strict=False), AfterValidator(_check_box)]
    has_instances: bool
    label_ids: str = ""
    polygons: str = ""


class Manifest(FileModel):
    """The dataset of an export, and its crops."""

    dataset: str
    crops: list[Crop]


@dataclass(frozen=True, slots=True)
class ExportedCrops:
    """How many crops were written, and a sentence for each frame that was skipped."""

    count: int
    skipped: list[str]


def export_crops(
    rows: Sequence[VerdictRow],
    data: Path,
    reading: Reading,
    out: Path,
    progress: ProgressCallback | None = None,
) -> ExportedCrops:
    """Write a crop with context for each region, in the new folder `out`.

    Stale verdicts are left out. Regions with the same surroundings share a crop. `progress` is
    called with (frames done, total). Raises CitysegError if nothing can be written.
    """
    by_frame: dict[str, tuple[Frame, str, list[Region]]] = {}
    for each in sorted(rows, key=by_place):
        if each.frame and not each.is_stale:
            verdict = each.verdict
            entry = by_frame.setdefault(verdict.frame, (each.frame, verdict.annotation, []))
            entry[2].append(verdict.region)
    if not by_frame:
        raise ReviewError("No region can be cropped: none is judged whose annotation is unchanged")
    crops: list[Crop] = []
    skipped: list[str] = []
    with new_folder(out) as folder:

        def write(entry: tuple[Frame, str, list[Region]]) -> list[Crop] | str:
            try:
                return _write_crops(*entry, reading, folder)
            except CitysegError as error:
                return f"{entry[0].name}: {error}"

        for done, written in enumerate(map_in_threads(write, by_frame.values()), 1):
            if isinstance(written, str):
                skipped.append(written)
            else:
                crops += written
            if progress:
                progress(done, len(by_frame))
        if not crops:
            raise ReviewError(f"No region can be cropped; the first: {skipped[0]}")
        (folder / LABEL_LIST).write_text(_label_list())
        manifest = Manifest(dataset=str(data.absolute()), crops=crops)
        write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    return ExportedCrops(len(crops), skipped)


def _label_list() -> str:
    """The labels of label maps; the names are those that CVAT proposes, as it reads no spaces."""
    lines = (
        f"{' '.join(map(str, label.color))} {label.name.replace(' ', '')}\n" for label in MAP_LABELS
    )
    return "".join(lines)


def _write_crops(
    frame: Frame, annotation: str, regions: Sequence[Region], reading: Reading, folder: Path
) -> list[Crop]:
    annotated = read_annotated(frame, reading)
    size_hw = annotated.label_ids.shape
    image = None
    if frame.image:
        image = decode_frame(read_file(frame.image), frame.image)
        if image.shape[:2] != size_hw:
            raise ReviewError("Its picture and its annotation differ in size: fetch them again")
    crops = []
    for box in dict.fromkeys(_box(region, (size_hw[0], size_hw[1])) for region in regions):
        top, left, bottom, right = box
        # All four: two crops at the border may share a corner.
        files = CopyFiles(folder, "_".join([frame.name, *(f"{edge:04d}" for edge in box)]))
        part = cropped(annotated, box)
        ids = part.instance_ids
        if ids is None:
            ids = part.label_ids.astype(np.uint16)
        write_maps(files, Annotated(part.label_ids, ids))
        files.polygons.write_text(json.dumps(polygons_of(*part)))
        if image is not None:
            path = files.image()
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.ascontiguousarray(image[top:bottom, left:right])
            path.write_bytes(png.encode_rgb(pixels))
        crops.append(
            Crop(
                name=files.name,
                frame=frame.name,
                annotation=annotation,
                box=box,
                has_instances=annotated.instance_ids is not None,
                label_ids=file_digest(files.label_ids),
                polygons=file_digest(files.polygons),
            )
        )
    return crops


def _box(region: Region, size_hw: tuple[int, int]) -> Box:
    """A region with context, within its frame; raises ReviewError if it is not."""
    if region.bottom > size_hw[0] or region.right > size_hw[1]:
        raise ReviewError("A judged region does not lie within its annotation: judge it again")
    margin = max(_LEAST_CONTEXT, round(_CONTEXT * max(region.size_hw)))
    return (
        max(0, region.top - margin),
        max(0, region.left - margin),
        min(size_hw[0], region.bottom + margin),
        min(size_hw[1], region.right + margin),
    )


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of the crops in `folder`; None if it has none. Raises ReviewError."""
    return read_model(
        folder / MANIFEST,
        Manifest,
        ReviewError,
        "is damaged: take that of the export",
        LARGE,
    )
