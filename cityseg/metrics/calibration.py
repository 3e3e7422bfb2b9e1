"""How sure a network is, and whether it is right as often: from counts that can be added.

The counts of a frame are a histogram over (truth, prediction, confidence) and the sums of the
confidence, so that the calibration of any set of frames needs no prediction again. Confidence is
the softmax probability of the predicted class in 8 bits.

Sources: Guo et al., *On Calibration of Modern Neural Networks*, 2017 (expected calibration error);
Geifman et al., *Bias-Reduced Uncertainty Estimation*, 2019 (risk and coverage).
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.labels import NUM_CLASSES
from cityseg.metrics.components import Overlaps
from cityseg.metrics.scores import ratio

CONFIDENCE_BINS: Final = 32
_LEVELS: Final = 256  # of the 8-bit confidence


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceCounts:
    """Of evaluated pixels: `histogram` (19, 19, 32) int64 by truth, prediction, confidence bin.

    `confidence` (19, 32) int64 by prediction and bin: the sum of the 8-bit confidences.
    """

    histogram: IntArray
    confidence: IntArray

    def __add__(self, other: "ConfidenceCounts") -> "ConfidenceCounts":
        """The counts of both."""
        return ConfidenceCounts(
            self.histogram + other.histogram, self.confidence + other.confidence
        )


def confidence_counts(both: Overlaps, confidence: Uint8Array) -> ConfidenceCounts:
    """Count (H, W) uint8 confidences by the train ids of the truth and of the prediction.

    Pixels that the truth or the prediction ignores are left out.
    """
    size = NUM_CLASSES + 1  # the last one is IGNORE
    true, found = (
        np.minimum(own.values, NUM_CLASSES)[ids].astype(np.int64)
        for own, ids in zip(both.components, both.ids, strict=True)
    )
    # One cell for each level first: that gives the sums as well, without a pass of their own.
    cells = np.repeat((true * size + found) * _LEVELS, both.lengths)
    cells += confidence.reshape(-1)
    counts = np.bincount(cells, minlength=size**2 * _LEVELS).reshape(size, size, -1)
    evaluated = counts[:NUM_CLASSES, :NUM_CLASSES]
    by_level = evaluated.reshape(NUM_CLASSES, NUM_CLASSES, CONFIDENCE_BINS, -1)
    levels = np.arange(_LEVELS).reshape(CONFIDENCE_BINS, -1)
    return ConfidenceCounts(by_level.sum(axis=3), (by_level.sum(axis=0) * levels).sum(axis=2))


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """By confidence bin, (32,): `pixels` int64, `accuracy` and mean `confidence` float64, 0–1.

    NaN in empty bins. `error` is the expected calibration error: the mean distance of both over
    all pixels.
    """

    pixels: IntArray
    accuracy: FloatArray
    confidence: FloatArray
    error: float


def reliability(counts: ConfidenceCounts, train_id: int | None = None) -> Reliability:
    """Compare accuracy with confidence over all pixels, or those predicted as `train_id`.

    The error over all pixels is mostly that of the large classes, such as road.
    """
    chosen = slice(None) if train_id is None else slice(train_id, train_id + 1)
    right = np.einsum("ccb->cb", counts.histogram)[chosen].sum(axis=0)
    pixels = counts.histogram[:, chosen].sum(axis=(0, 1))
    confidence = counts.confidence[chosen].sum(axis=0) / (_LEVELS - 1)
    distance = np.abs(right - confidence).sum()
    error = float(distance / pixels.sum()) if pixels.any() else math.nan
    return Reliability(pixels, ratio(right, pixels), ratio(confidence, pixels), error)


class ClassCalibration(NamedTuple):
    """Of the pixels that were predicted as each class, by train id, (19,); NaN without a pixel.

    `pixels` int64; float64 of 0–1: `accuracy`, the share that is right, the mean `confidence`, and
    `error`, the expected calibration error.
    """

    pixels: IntArray
    accuracy: FloatArray
    confidence: FloatArray
    error: FloatArray


def class_calibration(counts: ConfidenceCounts) -> ClassCalibration:
    """The calibration of each predicted class by itself: see `reliability`."""
    right = np.einsum("ccb->cb", counts.histogram)
    confidence = counts.confidence / (_LEVELS - 1)
    pixels = counts.histogram.sum(axis=(0, 2))
    sums = (
        right.sum(axis=1),
        confidence.sum(axis=1),
        np.abs(right - confidence).sum(axis=1),
    )
    return ClassCalibration(pixels, *(ratio(each, pixels) for each in sums))


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """When only the surest pixels are answered, (33,) float64 from none to all by bins.

    `coverage` is the share that is answered, `risk` the share of those that is wrong (NaN at
    coverage 0). `area` is the area under the curve, `excess_area` that above the curve of an ideal
    confidence, which would answer all right pixels before the first wrong one.
    """

    coverage: FloatArray
    risk: FloatArray
    area: float
    excess_area: float


def risk_coverage(histogram: IntArray) -> RiskCoverage:
    """The curve of a (19, 19, 32) histogram; all NaN without a pixel."""
    pixels = histogram.sum(axis=(0, 1))[::-1]
    wrong = pixels - np.einsum("ccb->b", histogram)[::-1]
    answered = np.concatenate([[0], pixels.cumsum()])
    errors = np.concatenate([[0], wrong.cumsum()])
    total = answered[-1]
    coverage = ratio(answered, np.full_like(answered, total))
    risk = ratio(errors, answered)
    if not total:
        return RiskCoverage(coverage, risk, math.nan, math.nan)
    share = errors[-1] / total
    # ∫ max(0, 1 − (1 − share) / x) dx over the coverage x.
    ideal = share + (1 - share) * math.log(1 - share) if share < 1 else 1.0
    # Within a bin, wrong pixels lie evenly: errors rise in a line, and risk is errors / answered.
    area = _area(answered / total, errors / total)
    return RiskCoverage(coverage, risk, area, area - ideal)


def _area(coverage: FloatArray, errors: FloatArray) -> float:
    """∫ errors / coverage, where errors are linear between the points: exact, not a trapezium."""
    area = 0.0
    for left, right, low, high in zip(
        coverage[:-1], coverage[1:], errors[:-1], errors[1:], strict=True
    ):
        if right > left:
            slope = (high - low) / (right - left)
            rest = low - slope * left  # errors = slope · x + rest; rest is 0 in the first bin
            area += slope * (right - left) + (rest * math.log(right / left) if left else 0.0)
    return float(area)


def answered_confusion(histogram: IntArray, threshold: float) -> IntArray:
    """(19, 19) int64: the confusion of the pixels whose confidence is at least `threshold`, 0–1.

    `threshold` is rounded up to the next edge of a bin.
    """
    first = math.ceil(threshold * CONFIDENCE_BINS)
    return np.asarray(histogram[:, :, first:].sum(axis=2))
