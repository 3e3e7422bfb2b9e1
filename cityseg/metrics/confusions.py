"""What the counts of many frames say of single frames, of classes, and of pairs of classes."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray
from cityseg.labels import CLASS_NAMES, LABEL_IDS_OF_CLASSES, NUM_CLASSES
from cityseg.metrics.scores import ConfusionStore

#: A row of a confusion (a class of the ground truth), a column, or the whole of it.
Whole = Literal["truth", "prediction", "all"]


@dataclass(frozen=True, slots=True, eq=False)
class FrameScores:
    """In frame order: `mean_iou` and `pixel_accuracy` (N,) float64, `class_iou` (N, 19) float64.

    Only classes in the ground truth of a frame have an IoU there; the others are NaN and left out
    of its mean. (A class that is predicted and not there makes another one's IoU lower.)
    """

    mean_iou: FloatArray
    pixel_accuracy: FloatArray
    class_iou: FloatArray


def frame_scores(store: ConfusionStore) -> FrameScores:
    """Scores of each frame on its own."""
    rows = store.confusion[:, LABEL_IDS_OF_CLASSES].astype(np.int64)
    evaluated = rows[:, :, LABEL_IDS_OF_CLASSES]
    hits, truth = evaluated.diagonal(axis1=1, axis2=2), rows.sum(axis=2)
    union = truth + evaluated.sum(axis=1) - hits
    class_iou = _divide(hits, np.where(truth > 0, union, 0))
    present = (truth > 0).sum(axis=1)
    mean_iou = _divide(np.nansum(class_iou, axis=1), present)
    return FrameScores(mean_iou, _divide(hits.sum(axis=1), truth.sum(axis=1)), class_iou)


def ranked(values: npt.NDArray[np.floating[Any]], *, worst_first: bool) -> IntArray:
    """Indices of the (N,) `values` that are defined, from one end to the other; ties in order."""
    order = np.argsort(values if worst_first else -values, kind="stable")
    return np.asarray(order[~np.isnan(values[order])])


def class_frequency(confusion: IntArray) -> dict[str, float]:
    """Share of each class in the evaluated pixels of a (34, 34) confusion; NaN without pixels."""
    pixels = confusion[LABEL_IDS_OF_CLASSES].sum(axis=1)
    shares = _divide(pixels, np.broadcast_to(pixels.sum(), pixels.shape))
    return dict(zip(CLASS_NAMES, shares.tolist(), strict=True))


def class_confusion(confusion: IntArray) -> IntArray:
    """(34, 34) confusion of label ids to (19, 20) of train ids, row = ground truth.

    The last column has the pixels for which an ignored label was predicted.
    """
    rows = confusion[LABEL_IDS_OF_CLASSES]
    evaluated = rows[:, LABEL_IDS_OF_CLASSES]
    ignored = rows.sum(axis=1) - evaluated.sum(axis=1)
    return np.concatenate([evaluated, ignored[:, None]], axis=1)


def shares(pixels: IntArray, of: Whole) -> FloatArray:
    """Divide the (19, M) `pixels` of a class confusion by what `of` names; NaN for 0 / 0."""
    axis = {"truth": 1, "prediction": 0, "all": None}[of]
    return _divide(pixels, np.broadcast_to(pixels.sum(axis=axis, keepdims=True), pixels.shape))


class ConfusedFrame(NamedTuple):
    """`pixels` of a class that were predicted as another: `share` of that class in the frame."""

    name: str
    pixels: int
    share: float


def confused_frames(store: ConfusionStore, truth: int, predicted: int) -> list[ConfusedFrame]:
    """Frames with pixels of train id `truth` predicted as `predicted`, most pixels first.

    `predicted` = 19 stands for all ignored labels, as in `class_confusion`.
    """
    rows = store.confusion[:, LABEL_IDS_OF_CLASSES[truth]].astype(np.int64)
    whole = rows.sum(axis=1)
    if predicted == NUM_CLASSES:
        pixels = whole - rows[:, LABEL_IDS_OF_CLASSES].sum(axis=1)
    else:
        pixels = rows[:, LABEL_IDS_OF_CLASSES[predicted]]
    order = np.argsort(-pixels, kind="stable")
    return [
        ConfusedFrame(store.names[index], int(pixels[index]), float(pixels[index] / whole[index]))
        for index in order[: np.count_nonzero(pixels)]
    ]


def _divide(parts: npt.NDArray[Any], wholes: npt.NDArray[Any]) -> FloatArray:
    """parts / wholes, NaN where the whole is 0."""
    quotient = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=quotient, where=wholes > 0)
    return quotient
