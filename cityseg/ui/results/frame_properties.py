"""What is known of each frame of the evidence: its scores, and properties that may explain them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import streamlit as st

from cityseg.arrays import FloatArray
from cityseg.data import Frame, decode_frame
from cityseg.errors import CitysegError
from cityseg.evaluation import Evidence
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import INSTANCE_TRAIN_IDS, boundary_iou
from cityseg.metrics.scores import ratio
from cityseg.system import map_in_threads, read_regular_file
from cityseg.ui import cached
from cityseg.ui.folders import Folders
from cityseg.ui.results.evidence_runs import RunEvidence, sums_of

#: Enough pixels for a mean.
_LEAST_WIDTH: Final = 64


class Quantity(NamedTuple):
    """A number of each frame: `values` of some evidence, the folders, and a train id give (N,).

    NaN where undefined. `of_class` says whether the train id matters, `is_share` whether the values
    are shares of 1, and `more_is_better` in which direction the worst frames lie.
    """

    values: Callable[[RunEvidence, Folders, int], FloatArray]
    of_class: bool = False
    is_share: bool = True
    more_is_better: bool = True


def _mean_iou(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    return each.evidence.frame_scores.mean_iou


def _pixel_accuracy(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    return each.evidence.frame_scores.pixel_accuracy


def _class_iou(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    return each.evidence.frame_scores.class_iou[:, train_id]


def _boundary_iou(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    """The mean over the classes that are in the annotation of the frame."""
    scores = boundary_iou(each.evidence.counts.boundary)
    scores = np.where(np.isnan(each.evidence.frame_scores.class_iou), np.nan, scores)
    return ratio(np.nansum(scores, axis=1), (~np.isnan(scores)).sum(axis=1))


def _calibration_error(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    pixels, right, confidence = np.moveaxis(sums_of(each).bins, -1, 0)
    return ratio(np.abs(right - confidence).sum(axis=1), pixels.sum(axis=1))


def mean_confidence(each: RunEvidence) -> FloatArray:
    """(N,) mean confidence of each frame, 0–1."""
    pixels, _, confidence = np.moveaxis(sums_of(each).bins, -1, 0)
    return ratio(confidence.sum(axis=1), pixels.sum(axis=1))


def _class_share(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    pixels = each.evidence.class_confusions.sum(axis=2)
    return ratio(pixels[:, train_id], pixels.sum(axis=1))


def _order(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    return np.arange(1.0, len(each.evidence.store.names) + 1)


def _objects(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    return _count_objects(each.evidence.folder, each.evidence.about.key, each.evidence)


@st.cache_resource(max_entries=8, show_spinner=False)
def _count_objects(folder: Path, key: str, _evidence: Evidence) -> FloatArray:
    """Regions of classes with instances in the annotation."""
    table = _evidence.regions(["frame", "side", "train_id"])
    names, sides, train_ids = (table.column(name).to_pylist() for name in table.column_names)
    number = dict.fromkeys(_evidence.store.names, 0)
    for name, side, train_id in zip(names, sides, train_ids, strict=True):
        if side == "truth" and train_id in INSTANCE_TRAIN_IDS and name in number:
            number[name] += 1
    return np.array(list(number.values()), np.float64)


def _brightness(each: RunEvidence, folders: Folders, train_id: int) -> FloatArray:
    names = each.evidence.store.names
    by_name = {frame.name: frame for frame in cached.frames(folders.data, folders.masks)}
    found = [by_name.get(name) for name in names]
    return _measure_brightness(folders.data, each.evidence.about.key, found)


@st.cache_resource(max_entries=8, show_spinner="Measuring the brightness of all pictures …")
def _measure_brightness(data: Path, key: str, _frames: Sequence[Frame | None]) -> FloatArray:
    return np.array(list(map_in_threads(_brightness_of, _frames)), np.float64)


def _brightness_of(frame: Frame | None) -> float:
    """The mean of all colours, 0–1; NaN if the picture cannot be read."""
    if frame is None or frame.image is None:
        return float("nan")
    try:
        pixels = decode_frame(read_regular_file(frame.image), frame.image, _LEAST_WIDTH)
    except (CitysegError, OSError):  # reported where the picture is shown
        return float("nan")
    return float(pixels.mean()) / 255


SCORES: Final = {
    "Mean IoU": Quantity(_mean_iou),
    "IoU of a class": Quantity(_class_iou, of_class=True),
    "Boundary IoU": Quantity(_boundary_iou),
    "Pixel accuracy": Quantity(_pixel_accuracy),
    "ECE": Quantity(_calibration_error, more_is_better=False),
}
PROPERTIES: Final = {
    "Share of a class": Quantity(_class_share, of_class=True),
    "Brightness": Quantity(_brightness),
    "Objects": Quantity(_objects, is_share=False),
    "Frame order": Quantity(_order, is_share=False),
    "Mean confidence": Quantity(lambda each, folders, train_id: mean_confidence(each)),
}


def title(name: str, quantity: Quantity, train_id: int) -> str:
    """The name of a quantity, with that of its class."""
    return name.replace("a class", CLASS_NAMES[train_id]) if quantity.of_class else name


def values_of(quantity: Quantity, each: RunEvidence, folders: Folders, train_id: int) -> Any:
    """(K,) values of the frames that are looked at."""
    return quantity.values(each, folders, train_id)[each.frames]
