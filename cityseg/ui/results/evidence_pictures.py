"""A frame with the prediction and the confidence that the evidence keeps of it, in the viewer."""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import BoolArray, Uint8Array, as_uint8
from cityseg.data import Frame, picture_size_hw, png, read_grey_png
from cityseg.errors import ImageError, ScoreError
from cityseg.evaluation import enlarged, picture_paths
from cityseg.labels import IGNORE, TRAIN_ID_OF_LABEL_ID
from cityseg.ui import cached
from cityseg.ui.folders import Folders
from cityseg.ui.results.evidence_runs import RunEvidence
from cityseg.ui.routes import frame_picture, publish
from cityseg.ui.text import utf8
from cityseg.ui.viewer import Picture

#: A bin of the confidence has 8 of its 256 levels.
LEVELS_OF_BIN: Final = 8


def find_frame(folders: Folders, name: str) -> Frame:
    """The frame of the dataset that is open; raises ImageError if it has no picture of it."""
    for frame in cached.frames(folders.data, folders.masks):
        if frame.name == name and frame.image is not None:
            return frame
    raise ImageError(
        f"{folders.data} has no picture of {name}: open the dataset that the evidence is of"
    )


def evidence_picture(
    folders: Folders, each: RunEvidence, name: str, *, least_bin: int = 0
) -> Picture:
    """The frame with the prediction, without the pixels whose confidence is below `least_bin`.

    Those become ignored ones. Raises ImageError, or ScoreError if the evidence has no pictures.
    """
    frame = find_frame(folders, name)
    size_hw = picture_size_hw(frame.image)
    if size_hw is None:
        raise ImageError(f"{frame.image} cannot be read: check the file")
    train_ids, confidence = (enlarged(pixels, size_hw) for pixels in coarse_maps(each, name))
    left_out = confidence < least_bin * LEVELS_OF_BIN
    train_ids = np.where(left_out, np.uint8(IGNORE), train_ids)
    shown = frame_picture(folders, frame)
    if shown.labels and left_out.any():
        shown = replace(shown, mask=_truth_without(folders, frame, left_out))
    return replace(
        shown,
        prediction=publish(png.encode_grey(train_ids), "image/png"),
        confidence=publish(png.encode_grey(confidence), "image/png"),
        note=f"Predicted by {utf8(each.run.name)}",
    )


def _truth_without(folders: Folders, frame: Frame, left_out: BoolArray) -> str:
    """The address of the mask without these pixels: left out, they are no errors either."""
    annotation = frame.label_ids or frame.polygons
    if annotation is None:
        raise ImageError(f"{frame.name} has no annotation: add it to gtFine")
    label_ids = cached.reading(folders.data, folders.masks).label_ids(annotation)
    mask = as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID))
    if mask.shape == left_out.shape:  # else the viewer says that the sizes differ
        mask[left_out] = IGNORE
    return publish(png.encode_grey(mask), "image/png")


def coarse_maps(each: RunEvidence, name: str) -> list[Uint8Array]:
    """The prediction and the confidence of a frame, (h, w) uint8, at the network's size.

    Raises ScoreError if the evidence has no pictures, ImageError if they cannot be read.
    """
    paths = picture_paths(each.evidence.folder, name)
    if not all(path.is_file() for path in paths):
        raise ScoreError(
            f"The evidence in {each.evidence.folder} has no pictures of {name}: remove that folder "
            "and collect it again, without --no-pictures"
        )
    return [read_grey_png(path, np.uint8) for path in paths]
