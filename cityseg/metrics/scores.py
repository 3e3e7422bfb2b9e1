"""Scores from a confusion matrix and instance statistics, by the rules of the official evaluator.

Count first (`counts`), divide last (here): the score of a set of frames is a ratio of sums over its
frames, not the mean of their scores.

Source: cityscapesscripts, `evalPixelLevelSemanticLabeling`. Its rules, where they surprise:

- A pixel is evaluated if its ground truth is one of the 19 labels. Only an evaluated pixel can be a
  false positive, but one that was predicted as an ignored label is still a false negative.
- A score with a denominator of 0 is undefined: NaN, and left out of the mean. A 0 there would count
  against a network that was never asked for the class.
- The instance IoU (iIoU) weights the true positives and false negatives of each instance by the
  average size of its class / its own size, so that small instances count as much as large ones.
  False positives belong to no instance and are not weighted.
- Caravan and trailer are vehicles that are not evaluated: predicted on a car, they are a false
  negative for the IoU of the category but a true positive for its iIoU; predicted on a road, they
  are a false positive for the iIoU only.
- Its optional block for pixel accuracy is inverted: it counts the ignored pixels, and among them
  the wrong ones as correct. `pixel_accuracy` does not follow it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

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
    INSTANCE_CLASSES,
    INSTANCE_LABELS,
    InstanceStatistics,
    membership,
)

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

    All scores are fractions of 1, and NaN where undefined; IoUs are dicts by name. `instances` are
    the statistics of the same frames; without them every instance IoU is undefined.

    `classes` are those that the network can answer, by name. The IoU of another is undefined, and
    so is that of a category with another; its pixels count only where they were predicted as one of
    `classes`.
    """

    confusion: IntArray
    instances: InstanceStatistics | None = None
    classes: frozenset[str] = frozenset(CLASS_NAMES)

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
        """Correct evaluated pixels / evaluated pixels, of those whose truth is in `classes`."""
        label_ids = [label.id for label in TRAIN_LABELS if label.name in self.classes]
        pixels = int(self.confusion[label_ids].sum())
        correct = int(self.confusion.diagonal()[label_ids].sum())
        return correct / pixels if pixels else math.nan

    @cached_property
    def class_iou(self) -> dict[str, float]:
        """IoU of each of the 19 classes."""
        hits = self.confusion.diagonal()[LABEL_IDS_OF_CLASSES]
        misses = self.confusion[LABEL_IDS_OF_CLASSES].sum(axis=1) - hits
        iou = _by_name(CLASS_NAMES, _iou(hits, misses, self._false_class_pixels))
        return iou | _by_name(self._unanswered)

    @cached_property
    def category_iou(self) -> dict[str, float]:
        """IoU of each of the 7 categories other than void, from their evaluated labels."""
        members = membership(EVALUATED_CATEGORIES)[LABEL_IDS_OF_CLASSES]
        rows = self.confusion[LABEL_IDS_OF_CLASSES]
        evaluated = members.T @ rows[:, LABEL_IDS_OF_CLASSES] @ members
        hits = evaluated.diagonal()
        misses = members.T @ rows.sum(axis=1) - hits
        iou = _by_name(EVALUATED_CATEGORIES, _iou(hits, misses, evaluated.sum(axis=0) - hits))
        return iou | _by_name(self._unanswered_categories)

    @cached_property
    def instance_iou(self) -> dict[str, float]:
        """iIoU of each of the 19 classes; NaN for those without instances."""
        if self.instances is None:
            return _by_name(CLASS_NAMES)
        false = self._false_class_pixels[[label.train_id for label in INSTANCE_LABELS]]
        hits, misses = self.instances.classes.T
        iou = _by_name(CLASS_NAMES) | _by_name(INSTANCE_CLASSES, _iou(hits, misses, false))
        return iou | _by_name(self._unanswered)

    @cached_property
    def category_instance_iou(self) -> dict[str, float]:
        """iIoU of each category; NaN for those with labels without instances."""
        if self.instances is None:
            return _by_name(EVALUATED_CATEGORIES)
        # All 34 columns, not the 19: a caravan predicted on a road counts as a false vehicle here.
        columns = membership(INSTANCE_CATEGORIES)
        rows_outside = (1 - columns)[LABEL_IDS_OF_CLASSES]
        false = (rows_outside.T @ self.confusion[LABEL_IDS_OF_CLASSES] @ columns).diagonal()
        hits, misses = self.instances.categories.T
        iou = _by_name(INSTANCE_CATEGORIES, _iou(hits, misses, false))
        return _by_name(EVALUATED_CATEGORIES) | iou | _by_name(self._unanswered_categories)

    @cached_property
    def _unanswered(self) -> list[str]:
        """The classes, in the order of train ids, that the network cannot answer."""
        return [name for name in CLASS_NAMES if name not in self.classes]

    @cached_property
    def _unanswered_categories(self) -> list[str]:
        """The categories with such a class."""
        return list({LABEL_OF_NAME[name].category: None for name in self._unanswered})

    @cached_property
    def _false_class_pixels(self) -> IntArray:
        """(19,) int64 false positives: pixels of another evaluated class predicted as this one."""
        evaluated = self.confusion[LABEL_IDS_OF_CLASSES][:, LABEL_IDS_OF_CLASSES]
        return np.asarray(evaluated.sum(axis=0) - evaluated.diagonal())

    def to_json(self) -> dict[str, Any]:
        """All scores and the confusion for strict JSON, None where undefined."""
        return {
            **{name: finite_or_none(getattr(self, name)) for name in _MEANS},
            **{
                name: {key: finite_or_none(iou) for key, iou in getattr(self, name).items()}
                for name in _IOUS
            },
            "confusion": {
                "rows": "ground truth",
                "columns": "prediction",
                "labels": [label.name for label in MAP_LABELS],
                "pixels": self.confusion.tolist(),
            },
        }


def scores_from_train_confusion(confusion: npt.NDArray[np.integer[Any]]) -> Scores:
    """Scores of a confusion of train ids, row = ground truth, as a training loop counts it.

    `confusion` is (19, 19) up to (20, 20) of integers: a 20th row holds the pixels with ignored
    ground truth, a 20th column those predicted as an ignored label. Raises ScoreError for another
    shape.
    """
    if not all(size in (NUM_CLASSES, NUM_CLASSES + 1) for size in confusion.shape):
        raise ScoreError(f"A train-id confusion must be 19×19 to 20×20: found {confusion.shape}")
    label_ids = [*LABEL_IDS_OF_CLASSES.tolist(), LABEL_OF_NAME["unlabeled"].id]
    rows, columns = (label_ids[:size] for size in confusion.shape)
    embedded = np.zeros((NUM_LABEL_IDS, NUM_LABEL_IDS), np.int64)
    embedded[np.ix_(rows, columns)] = confusion
    return Scores(embedded)


def ratio(parts: npt.NDArray[Any], wholes: npt.NDArray[Any]) -> FloatArray:
    """parts / wholes of two arrays of one shape, float64; NaN where the whole is 0."""
    quotient = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=quotient, where=wholes > 0)
    return quotient


def finite_or_none(value: float | None) -> float | None:
    """The value for strict JSON, which has neither NaN nor infinity: None where undefined."""
    return None if value is None or not math.isfinite(value) else value


def _iou(hits: npt.NDArray[Any], misses: npt.NDArray[Any], false: npt.NDArray[Any]) -> FloatArray:
    return ratio(hits, hits + misses + false)


def _by_name(names: Sequence[str], values: Iterable[Any] | None = None) -> dict[str, float]:
    """A dict of floats, all NaN without `values`."""
    if values is None:
        return dict.fromkeys(names, math.nan)
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _mean(scores: Mapping[str, float]) -> float:
    defined = [score for score in scores.values() if not math.isnan(score)]
    return sum(defined) / len(defined) if defined else math.nan
