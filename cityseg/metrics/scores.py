"""Every score that is derived from counts, and the store of the counts of each frame.

Count first (`counts`), divide last (here): what is counted can be added up over any frames before
it is divided, so the scores of a data set are not means over its frames.

The rules are those of the official evaluator (cityscapesscripts,
`evalPixelLevelSemanticLabeling`), and where they surprise:

- a pixel is evaluated if its ground truth is one of the 19 labels; only such a pixel can be a
  false positive, but it is a false negative also where an ignored label was predicted;
- a score whose denominator is 0 is undefined: NaN, and left out of the mean;
- the instance IoU (iIoU) weights the true positives and false negatives of each instance, not the
  false positives, by average size of its class / its own size, so that small ones count as much;
- caravan and trailer are vehicles that are not evaluated: predicted on a car, they are a miss for
  the category's IoU but a hit for its iIoU; on a road, only the iIoU has a false positive.
"""

import io
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray
from cityseg.errors import ScoreError
from cityseg.labels import (
    CATEGORIES,
    CLASS_NAMES,
    LABEL_IDS_OF_CLASSES,
    LABEL_OF_NAME,
    MAP_LABELS,
    NUM_CLASSES,
    NUM_LABEL_IDS,
    TRAIN_LABELS,
)
from cityseg.metrics.counts import (
    INSTANCE_CATEGORIES,
    INSTANCE_LABELS,
    FrameCounts,
    InstanceStatistics,
    membership,
)
from cityseg.system import replacing

#: Categories with evaluated labels, in category-id order: all but void.
EVALUATED_CATEGORIES: Final = tuple(
    category for category in CATEGORIES if any(label.category == category for label in TRAIN_LABELS)
)
_MEANS: Final = (
    "mean_iou",
    "pixel_accuracy",
    "mean_category_iou",
    "mean_instance_iou",
    "mean_category_instance_iou",
)
_IOUS: Final = ("class_iou", "category_iou", "instance_iou", "category_instance_iou")


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a (34, 34) int64 confusion of label ids, row = ground truth.

    IoUs come by name, as fractions of 1, NaN where undefined. `instances` are the statistics of
    the same frames, or None: then every instance IoU is undefined.
    """

    confusion: IntArray
    instances: InstanceStatistics | None = None

    @cached_property
    def mean_iou(self) -> float:
        """Mean of the defined class IoUs."""
        return _mean(self.class_iou)

    @cached_property
    def mean_category_iou(self) -> float:
        """Mean of the defined category IoUs."""
        return _mean(self.category_iou)

    @cached_property
    def mean_instance_iou(self) -> float:
        """Mean of the defined class iIoUs."""
        return _mean(self.instance_iou)

    @cached_property
    def mean_category_instance_iou(self) -> float:
        """Mean of the defined category iIoUs."""
        return _mean(self.category_instance_iou)

    @cached_property
    def pixel_accuracy(self) -> float:
        """Evaluated pixels that are correct / evaluated pixels."""
        pixels = int(self.confusion[LABEL_IDS_OF_CLASSES].sum())
        correct = int(self.confusion.diagonal()[LABEL_IDS_OF_CLASSES].sum())
        return correct / pixels if pixels else math.nan

    @cached_property
    def class_iou(self) -> dict[str, float]:
        """IoU of each of the 19 classes."""
        hits = self.confusion.diagonal()[LABEL_IDS_OF_CLASSES]
        misses = self.confusion[LABEL_IDS_OF_CLASSES].sum(axis=1) - hits
        return _by_name(CLASS_NAMES, _ratio(hits, misses, self._false_class_pixels))

    @cached_property
    def category_iou(self) -> dict[str, float]:
        """IoU of each of the 7 categories other than void, over their evaluated labels."""
        members = membership(EVALUATED_CATEGORIES)[LABEL_IDS_OF_CLASSES]
        rows = self.confusion[LABEL_IDS_OF_CLASSES]
        evaluated = members.T @ rows[:, LABEL_IDS_OF_CLASSES] @ members
        hits = evaluated.diagonal()
        misses = members.T @ rows.sum(axis=1) - hits
        return _by_name(EVALUATED_CATEGORIES, _ratio(hits, misses, evaluated.sum(axis=0) - hits))

    @cached_property
    def instance_iou(self) -> dict[str, float]:
        """iIoU of each of the 19 classes; undefined for those without instances."""
        if self.instances is None:
            return _by_name(CLASS_NAMES)
        false = self._false_class_pixels[[label.train_id for label in INSTANCE_LABELS]]
        names = [label.name for label in INSTANCE_LABELS]
        hits, misses = self.instances.classes.T
        return _by_name(CLASS_NAMES) | _by_name(names, _ratio(hits, misses, false))

    @cached_property
    def category_instance_iou(self) -> dict[str, float]:
        """iIoU of each category; undefined for those with labels without instances."""
        if self.instances is None:
            return _by_name(EVALUATED_CATEGORIES)
        columns = membership(INSTANCE_CATEGORIES)
        rows_outside = (1 - columns)[LABEL_IDS_OF_CLASSES]
        false = (rows_outside.T @ self.confusion[LABEL_IDS_OF_CLASSES] @ columns).diagonal()
        hits, misses = self.instances.categories.T
        iou = _ratio(hits, misses, false)
        return _by_name(EVALUATED_CATEGORIES) | _by_name(INSTANCE_CATEGORIES, iou)

    @cached_property
    def _false_class_pixels(self) -> IntArray:
        """(19,) int64 false positives: pixels of another evaluated class predicted as this one."""
        evaluated = self.confusion[LABEL_IDS_OF_CLASSES][:, LABEL_IDS_OF_CLASSES]
        return np.asarray(evaluated.sum(axis=0) - evaluated.diagonal())

    def to_json(self) -> dict[str, Any]:
        """Everything above for strict JSON: None where undefined."""
        return {
            **_nan_to_none({name: getattr(self, name) for name in _MEANS}),
            **{name: _nan_to_none(getattr(self, name)) for name in _IOUS},
            "confusion": {
                "rows": "ground truth",
                "columns": "prediction",
                "labels": [label.name for label in MAP_LABELS],
                "pixels": self.confusion.tolist(),
            },
        }


def scores_from_train_confusion(confusion: npt.NDArray[np.integer[Any]]) -> Scores:
    """Scores of a confusion of train ids, row = ground truth, from a training loop's counts.

    `confusion` has the 19 train ids on each axis and may have one more row or column, or both,
    for pixels without a train id: ignored ground truth, predictions of an ignored label.
    """
    if not all(size in (NUM_CLASSES, NUM_CLASSES + 1) for size in confusion.shape):
        raise ScoreError(f"a train-id confusion is 19×19 to 20×20: found {confusion.shape}")
    label_ids = [*LABEL_IDS_OF_CLASSES.tolist(), LABEL_OF_NAME["unlabeled"].id]
    rows, columns = (label_ids[:size] for size in confusion.shape)
    embedded = np.zeros((NUM_LABEL_IDS, NUM_LABEL_IDS), np.int64)
    embedded[np.ix_(rows, columns)] = confusion
    return Scores(embedded)


def _ratio(hits: npt.NDArray[Any], misses: npt.NDArray[Any], false: npt.NDArray[Any]) -> FloatArray:
    """hits / (hits + misses + false), NaN where that is 0 / 0."""
    union = hits + misses + false
    ratio = np.full(union.shape, np.nan)
    np.divide(hits, union, out=ratio, where=union > 0)
    return ratio


def _by_name(names: Sequence[str], values: Iterable[Any] | None = None) -> dict[str, float]:
    """A plain dict of floats, all NaN without values."""
    if values is None:
        return dict.fromkeys(names, math.nan)
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _mean(scores: Mapping[str, float]) -> float:
    defined = [score for score in scores.values() if not math.isnan(score)]
    return sum(defined) / len(defined) if defined else math.nan


def _nan_to_none(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(score) else score for name, score in scores.items()}


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionStore:
    """The counts of each frame; the exact scores of any subset are a sum and a division.

    In frame order: `names`; `confusion` (N, 34, 34) uint32; `classes` (N, 8, 2) and `categories`
    (N, 2, 2) float64, see InstanceStatistics; `has_instances` (N,) bool: whether the frame had an
    instance map (its statistics are 0 if not).
    """

    names: list[str]
    confusion: npt.NDArray[np.uint32]
    classes: FloatArray
    categories: FloatArray
    has_instances: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, frames: Sequence[FrameCounts]) -> Self:
        """Gather what `count_frame` returned."""
        none = InstanceStatistics(
            np.zeros((len(INSTANCE_LABELS), 2)), np.zeros((len(INSTANCE_CATEGORIES), 2))
        )
        statistics = [frame.instances or none for frame in frames]
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

        Instance IoUs are undefined unless each of the frames had an instance map.
        """
        confusion = self.confusion[frames].sum(axis=0, dtype=np.int64)
        if not self.has_instances[frames].all():
            return Scores(confusion)
        classes, categories = self.classes[frames], self.categories[frames]
        return Scores(confusion, InstanceStatistics(classes.sum(axis=0), categories.sum(axis=0)))

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        with replacing(path) as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ScoreError if `path` is missing, damaged or another."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ScoreError(f"{path} cannot be read: {error.strerror}") from error
        try:
            arrays = _read_arrays(content, [field.name for field in fields(cls)])
        except Exception as error:  # A damaged archive raises whatever its damage leads to.
            raise ScoreError(f"{path} is no confusion store, or damaged: score again") from error
        return cls(**arrays | {"names": arrays["names"].tolist()})


def _read_arrays(content: bytes, names: Sequence[str]) -> dict[str, Any]:
    # NumPy stops reading an array before zipfile would compare its checksum.
    if damaged := zipfile.ZipFile(io.BytesIO(content)).testzip():
        raise zipfile.BadZipFile(damaged)
    with np.lib.npyio.NpzFile(io.BytesIO(content)) as archive:
        return {name: archive[name] for name in names}
