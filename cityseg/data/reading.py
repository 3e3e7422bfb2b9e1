"""How the annotations of a dataset are read: as the last conversion did, or as a sample shows.

Whoever looks at an annotation beside its mask must read both alike, so the encoding and the label
map of a conversion are kept in its report.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.annotations import check_png, decode_map, read_bytes, read_label_ids
from cityseg.data.encodings import ENCODINGS, Encoding
from cityseg.data.examination import examine
from cityseg.data.frame import Frame
from cityseg.data.label_map import NO_LABEL_MAP, LabelMap, labels_of_names
from cityseg.data.report import REPORT, Report
from cityseg.data.stored_values import read_palette
from cityseg.data.verdict import Verdict
from cityseg.errors import MaskError


@dataclass(frozen=True, slots=True)
class Reading:
    """How annotations are read: the verdict on their encoding, and labels of further names."""

    verdict: Verdict
    label_map: LabelMap = field(default_factory=lambda: NO_LABEL_MAP)

    @property
    def encoding(self) -> Encoding:
        """The encoding. Raises DatasetError if there is none that gives masks."""
        return self.verdict.checked()

    def label_ids(self, annotation: Path) -> Uint8Array:
        """Read (H, W) uint8 label ids. Raises MaskError, and DatasetError as `encoding` does."""
        return read_label_ids(annotation, self.label_map, self.encoding)


#: As Cityscapes' own files are read.
LABEL_IDS: Final = Reading(Verdict("labelids", "Label ids are the rule"))


def reading_of(frames: Sequence[Frame], masks: Path) -> Reading:
    """How the annotations of `frames` were read for `masks`, or are to be read without masks.

    Raises DatasetError if the report of the conversion is damaged.
    """
    return kept_reading(masks) or Reading(examine(frames))


def kept_reading(masks: Path) -> Reading | None:
    """How the last conversion to `masks` has read annotations; None if there is no report of it.

    Reports of version 0.1.0 do not say it either. Raises DatasetError if the report is damaged.
    """
    report = Report.load(masks)
    return _reading_by(report, masks) if report else None


def _reading_by(report: Report, masks: Path) -> Reading | None:
    encoding = next((each for each in ENCODINGS if each == report.encoding), None)
    if not encoding:
        return None
    label_map = labels_of_names(report.label_map, masks)
    return Reading(Verdict(encoding, report.evidence), label_map)


def reading_of_folder(folder: Path) -> Reading | None:
    """How the annotations in `folder` were read for the masks of the dataset around it, if known.

    The masks are looked for in DATA/masks, where DATA is `folder` or one of the four above it.
    Raises DatasetError if their report is damaged.
    """
    found = _masks_around(folder)
    return _reading_by(found[1], found[0]) if found else None


def layout_of_folder(folder: Path) -> str | None:
    """The layout of the dataset around `folder`, if its masks say it; see `reading_of_folder`."""
    found = _masks_around(folder)
    return (found and found[1].layout) or None


def _masks_around(folder: Path) -> tuple[Path, Report] | None:
    """The masks of the dataset around `folder`, and their report."""
    folders = (folder.absolute(), *folder.absolute().parents[:4])
    for masks in (each / "masks" for each in folders):
        report = Report.load(masks) if (masks / REPORT).is_file() else None
        if report and _is_of_one(masks, report, folders):
            return masks, report
    return None


def _is_of_one(masks: Path, report: Report, folders: Sequence[Path]) -> bool:
    """Whether the dataset of these masks is one of `folders`, as far as their report says."""
    # As the path reads: the masks may be a link to another disk.
    root = Path(os.path.normpath(masks / report.dataset)) if report.dataset else None
    if root is None or not root.exists():  # of an older version, or the dataset was renamed
        return True
    return any(each.exists() and each.samefile(root) for each in folders)


def read_stored_values(path: Path) -> Uint8Array:
    """Read what the PNG file of an annotation holds, whatever that means.

    Returns (H, W) uint8 palette indices, or grey values as a conversion reads them, or (H, W, 3)
    uint8 RGB. Raises MaskError.
    """
    content = read_bytes(path)
    header = check_png(content, path, "fetch it again")
    if header.color_type == png.PALETTE:
        return read_palette(content, path)[0]
    if header.color_type == png.GREY:
        return decode_map(content, header, path, colored=False)
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    if values is None or header.bit_depth > 8:
        raise MaskError("wrong_depth", f"{path} has no values of 8 bits: fetch it again")
    return as_uint8(values)
