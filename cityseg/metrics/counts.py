"""The confusion matrix and the instance statistics of one frame.

These are counts, which can be added over any set of frames; `scores` divides the sums. The rules
are those of the official evaluator (cityscapesscripts, `evalPixelLevelSemanticLabeling`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray, Uint8Array, runs
from cityseg.errors import ScoreError
from cityseg.labels import (
    CATEGORIES,
    INSTANCES_PER_LABEL,
    LABEL_OF_ID,
    MAP_LABELS,
    NUM_LABEL_IDS,
    TRAIN_LABELS,
)

#: Evaluated labels that have instances, in train-id order: the only ones with an iIoU.
INSTANCE_LABELS: Final = tuple(label for label in TRAIN_LABELS if label.has_instances)
#: Their names.
INSTANCE_CLASSES: Final = tuple(label.name for label in INSTANCE_LABELS)
#: Their train ids.
INSTANCE_TRAIN_IDS: Final = tuple(label.train_id for label in INSTANCE_LABELS)
#: Categories whose labels all have instances.
INSTANCE_CATEGORIES: Final = tuple(
    category
    for category in CATEGORIES
    if all(label.has_instances for label in MAP_LABELS if label.category == category)
)
#: Mean pixels of an instance, by label name. Source: the official evaluator's `avgClassSize`.
AVERAGE_INSTANCE_PIXELS: Final[Mapping[str, float]] = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}

_INSTANCE_LABEL_IDS: Final = np.array([label.id for label in INSTANCE_LABELS])
_AVERAGE_PIXELS: Final = np.zeros(NUM_LABEL_IDS)
_AVERAGE_PIXELS[_INSTANCE_LABEL_IDS] = [
    AVERAGE_INSTANCE_PIXELS[label.name] for label in INSTANCE_LABELS
]
_CATEGORY_ID: Final = np.zeros(256, np.uint8)
_CATEGORY_ID[:NUM_LABEL_IDS] = [label.category_id for label in MAP_LABELS]


def membership(categories: Sequence[str]) -> IntArray:
    """(34, number of `categories`) int64: 1 where a label id belongs to a category."""
    return np.array([[label.category == c for c in categories] for label in MAP_LABELS], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class InstanceStatistics:
    """Weighted pixels of instances: column 0 has true positives, column 1 false negatives.

    `classes` is (8, 2) float64 in the order of INSTANCE_LABELS; `categories` is (2, 2) float64 in
    the order of INSTANCE_CATEGORIES.
    """

    classes: FloatArray
    categories: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FrameCounts:
    """Counts of one frame: `confusion` is (34, 34) int64 of label ids, row = ground truth.

    `instances` is None for a frame without an instance map.
    """

    name: str
    confusion: IntArray
    instances: InstanceStatistics | None


def count_frame(
    name: str,
    truth_label_ids: Uint8Array,
    predicted_label_ids: Uint8Array,
    instance_ids: npt.NDArray[np.uint16] | None = None,
) -> FrameCounts:
    """Count one frame; all maps are (H, W).

    Same result, inputs and errors as `confusion_matrix` and `instance_statistics`, but faster: the
    maps are compressed to runs once for both.
    """
    if instance_ids is None:
        return FrameCounts(name, confusion_matrix(truth_label_ids, predicted_label_ids), None)
    shape = truth_label_ids.shape
    _check_map("ground truth", truth_label_ids, np.uint8, shape)
    _check_map("prediction", predicted_label_ids, np.uint8, shape)
    _check_map("instance map", instance_ids, np.uint16, shape)
    (truth, predicted, ids), pixels = runs(truth_label_ids, predicted_label_ids, instance_ids)
    return FrameCounts(
        name, _confusion(truth, predicted, pixels), _instance_statistics(ids, predicted, pixels)
    )


def confusion_matrix(truth_label_ids: Uint8Array, predicted_label_ids: Uint8Array) -> IntArray:
    """Count pairs of labels in two (H, W) uint8 maps of label ids.

    Returns (34, 34) int64: row = label id of the ground truth, column = predicted label id.
    Raises ScoreError if the maps differ in shape or hold a value that is not a label id.
    """
    _check_map("ground truth", truth_label_ids, np.uint8, truth_label_ids.shape)
    _check_map("prediction", predicted_label_ids, np.uint8, truth_label_ids.shape)
    (truth, predicted), pixels = runs(truth_label_ids, predicted_label_ids)
    return _confusion(truth, predicted, pixels)


def instance_statistics(
    instance_ids: npt.NDArray[np.uint16], predicted_label_ids: Uint8Array
) -> InstanceStatistics:
    """Weighted true positives and false negatives of the instances, by class and by category.

    `instance_ids` is (H, W) uint16: label id × 1000 + number for an instance, a bare label id for
    stuff and groups of objects. `predicted_label_ids` is (H, W) uint8. The label of an instance
    comes from its id, not from the label map. Instances of ignored labels do not count.

    Raises ScoreError if the maps differ in shape, or an id belongs to a label without instances.
    """
    _check_map("prediction", predicted_label_ids, np.uint8, predicted_label_ids.shape)
    _check_map("instance map", instance_ids, np.uint16, predicted_label_ids.shape)
    (ids, predicted), pixels = runs(instance_ids, predicted_label_ids)
    return _instance_statistics(ids, predicted, pixels)


def _check_map(
    which: str, label_map: npt.NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    if label_map.dtype != dtype or label_map.ndim != 2:
        raise ScoreError(
            f"The {which} must be (H, W) {np.dtype(dtype)}: found {label_map.shape} "
            f"{label_map.dtype}"
        )
    if label_map.shape != shape:
        found, expected = (f"{width}×{height}" for height, width in (label_map.shape, shape))
        raise ScoreError(f"The {which} is {found} pixels: expected {expected}")


def _confusion(truth: Uint8Array, predicted: Uint8Array, pixels: IntArray | None) -> IntArray:
    pairs = truth.astype(np.uint16) << np.uint16(8) | predicted
    # Weighted sums are float64: exact up to 2**53 pixels.
    counts = np.bincount(pairs, pixels, minlength=1 << 16).astype(np.int64).reshape(256, 256)
    for which, of_value in (
        ("ground truth", counts.sum(axis=1)),
        ("prediction", counts.sum(axis=0)),
    ):
        if (unknown := np.flatnonzero(of_value[NUM_LABEL_IDS:])).size:
            value = int(unknown[0]) + NUM_LABEL_IDS
            raise ScoreError(
                f"The {which} has the value {value}, but label ids are 0–{NUM_LABEL_IDS - 1}"
            )
    return counts[:NUM_LABEL_IDS, :NUM_LABEL_IDS].copy()


def _instance_statistics(
    ids: npt.NDArray[np.uint16], predicted: Uint8Array, pixels: IntArray | None
) -> InstanceStatistics:
    inside = np.flatnonzero(ids >= INSTANCES_PER_LABEL)
    instances, of_predicted = _by_instance(
        ids[inside], predicted[inside], pixels if pixels is None else pixels[inside]
    )
    owners = instances // INSTANCES_PER_LABEL
    _check_owners(instances, owners)
    sizes = of_predicted.sum(axis=1)
    # Each instance counts as much as an average one of its class. Labels that are not evaluated,
    # caravan and trailer, have average 0 and so no weight.
    weights = _AVERAGE_PIXELS[owners] / sizes
    same_category = _CATEGORY_ID[owners, np.newaxis] == _CATEGORY_ID
    hits = of_predicted[np.arange(instances.size), owners]
    category_hits = (of_predicted * same_category).sum(axis=1)
    return InstanceStatistics(
        classes=_sum_by_label(owners, weights, hits, sizes)[_INSTANCE_LABEL_IDS],
        categories=membership(INSTANCE_CATEGORIES).T
        @ _sum_by_label(owners, weights, category_hits, sizes),
    )


def _by_instance(
    ids: npt.NDArray[np.uint16], predicted: Uint8Array, pixels: IntArray | None
) -> tuple[IntArray, FloatArray]:
    """(K,) ids in the map, ascending, and (K, 256) pixels of each by predicted label id."""
    instances = np.flatnonzero(np.bincount(ids, minlength=1 << 16))
    index = np.zeros(1 << 16, np.int64)
    index[instances] = np.arange(instances.size)
    cells = np.bincount(index[ids] * 256 + predicted, pixels, minlength=instances.size * 256)
    return instances, cells.reshape(-1, 256).astype(np.float64)


def _check_owners(instances: IntArray, owners: IntArray) -> None:
    for instance_id, owner in zip(instances.tolist(), owners.tolist(), strict=True):
        label = LABEL_OF_ID.get(owner)
        if label is None or not (label.has_instances or label.ignore_in_eval):
            reason = f"{label.name} has no instances" if label else "label ids end at 33"
            raise ScoreError(f"The instance map has the id {instance_id}, but {reason}")


def _sum_by_label(
    owners: IntArray, weights: FloatArray, hits: FloatArray, sizes: FloatArray
) -> FloatArray:
    """(34, 2) float64: weighted hits and misses of the instances of each label id."""
    sums = [
        np.bincount(owners, weights * part, minlength=NUM_LABEL_IDS)
        for part in (hits, sizes - hits)
    ]
    return np.stack(sums, axis=1)
