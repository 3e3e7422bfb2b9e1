"""The confusions of many frames: scores of any subset, of single frames, and confused classes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray
from cityseg.labels import CLASS_NAMES, LABEL_IDS_OF_CLASSES, NUM_CLASSES, NUM_LABEL_IDS
from cityseg.metrics.counts import (
    INSTANCE_CATEGORIES,
    INSTANCE_LABELS,
    FrameCounts,
    InstanceStatistics,
)
from cityseg.metrics.scores import Scores, ratio

#: What the cells of a confusion are divided by: their row (a class of the ground truth), their
#: column (a predicted class), or the sum of all cells.
Denominator = Literal["truth", "prediction", "all"]


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionStore:
    """The counts of each frame: the exact scores of any subset are a sum and a division.

    In frame order: `names`; `confusion` (N, 34, 34) uint32; `classes` (N, 8, 2) and `categories`
    (N, 2, 2) float64, see InstanceStatistics; `has_instances` (N,) bool: whether the frame had an
    instance map (without one its statistics are 0).
    """

    names: list[str]
    confusion: npt.NDArray[np.uint32]
    classes: FloatArray
    categories: FloatArray
    has_instances: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, frames: Sequence[FrameCounts]) -> Self:
        """Collect the results of `count_frame`."""
        none = InstanceStatistics(
            np.zeros((len(INSTANCE_LABELS), 2)), np.zeros((len(INSTANCE_CATEGORIES), 2))
        )
        statistics = [frame.instances or none for frame in frames]
        # 32 bits hold the pixels of a frame, not those of a dataset: sums are taken in 64.
        confusion = np.array([frame.confusion for frame in frames], np.uint32)
        classes = np.array([each.classes for each in statistics], np.float64)
        categories = np.array([each.categories for each in statistics], np.float64)
        return cls(
            names=[frame.name for frame in frames],
            confusion=confusion.reshape(-1, NUM_LABEL_IDS, NUM_LABEL_IDS),
            classes=classes.reshape(-1, *none.classes.shape),
            categories=categories.reshape(-1, *none.categories.shape),
            has_instances=np.array([frame.instances is not None for frame in frames], bool),
        )

    def scores(self, frames: npt.NDArray[Any] | slice = slice(None)) -> Scores:
        """Scores of the frames at these (K,) indices, or where this (N,) bool is true.

        Instance IoUs are those of the frames with a usable instance map; NaN if none has one.
        """
        confusion = self.confusion[frames].sum(axis=0, dtype=np.int64)
        has_instances = self.has_instances[frames]
        if has_instances.size and not has_instances.any():
            return Scores(confusion)
        # The other frames have zeros in their place.
        classes, categories = self.classes[frames], self.categories[frames]
        return Scores(confusion, InstanceStatistics(classes.sum(axis=0), categories.sum(axis=0)))


@dataclass(frozen=True, slots=True, eq=False)
class FrameScores:
    """In frame order: `mean_iou` and `pixel_accuracy` (N,) float64, `class_iou` (N, 19) float64.

    A class has an IoU only in frames whose ground truth has it; elsewhere it is NaN and left out of
    the frame's mean. Predicted where it is not, it lowers the IoU of the class that is there; a 0
    of its own would let one wrong pixel take a third off the mean of a frame with two classes.
    """

    mean_iou: FloatArray
    pixel_accuracy: FloatArray
    class_iou: FloatArray


def frame_scores(store: ConfusionStore, classes: Collection[str] = CLASS_NAMES) -> FrameScores:
    """Scores of each frame by itself, of a network that can answer `classes`, as for `Scores`."""
    rows = store.confusion[:, LABEL_IDS_OF_CLASSES].astype(np.int64)
    evaluated = rows[:, :, LABEL_IDS_OF_CLASSES]
    hits, pixels = evaluated.diagonal(axis1=1, axis2=2), rows.sum(axis=2)
    union = pixels + evaluated.sum(axis=1) - hits
    truth = pixels * [name in classes for name in CLASS_NAMES]
    class_iou = ratio(hits, np.where(truth > 0, union, 0))
    present = (truth > 0).sum(axis=1)
    mean_iou = ratio(np.nansum(class_iou, axis=1), present)
    return FrameScores(mean_iou, ratio(hits.sum(axis=1), truth.sum(axis=1)), class_iou)


def rank_frames(values: npt.NDArray[np.floating[Any]], *, worst_first: bool) -> IntArray:
    """Indices of the frames that have a value in (N,) `values`, ordered by it; ties keep order.

    Frames with NaN are left out.
    """
    order = np.argsort(values if worst_first else -values, kind="stable")
    return np.asarray(order[~np.isnan(values[order])])


def class_frequency(confusion: IntArray) -> dict[str, float]:
    """Share of each class in the evaluated pixels of a (34, 34) confusion; NaN without pixels."""
    pixels = confusion[LABEL_IDS_OF_CLASSES].sum(axis=1)
    shares = ratio(pixels, np.broadcast_to(pixels.sum(), pixels.shape))
    return dict(zip(CLASS_NAMES, shares.tolist(), strict=True))


def class_confusion(confusion: IntArray) -> IntArray:
    """(34, 34) confusion of label ids to (19, 20) of train ids, row = ground truth.

    The last column has the pixels that were predicted as an ignored label.
    """
    rows = confusion[LABEL_IDS_OF_CLASSES]
    evaluated = rows[:, LABEL_IDS_OF_CLASSES]
    ignored = rows.sum(axis=1) - evaluated.sum(axis=1)
    return np.concatenate([evaluated, ignored[:, None]], axis=1)


def normalise_confusion(pixels: IntArray, by: Denominator) -> FloatArray:
    """Divide the (19, M) `pixels` of a class confusion by their row, column or total sum.

    NaN where that sum is 0.
    """
    axis = {"truth": 1, "prediction": 0, "all": None}[by]
    return ratio(pixels, np.broadcast_to(pixels.sum(axis=axis, keepdims=True), pixels.shape))


class ConfusedFrame(NamedTuple):
    """The `pixels` of one class that were predicted as another, and their `share` of the class."""

    name: str
    pixels: int
    share: float


def confused_frames(store: ConfusionStore, truth: int, predicted: int) -> list[ConfusedFrame]:
    """Frames with pixels of train id `truth` that were predicted as `predicted`, most first.

    `predicted` = 19 means any ignored label, as in `class_confusion`.
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
