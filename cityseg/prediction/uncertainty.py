"""A prediction with all that says how sure the network was of it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.geometry import prediction_geometry
from cityseg.metrics import Uncertainty
from cityseg.prediction.predictor import Predictor
from cityseg.prediction.upsampling import classify_logits

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class UncertainPrediction:
    """`train_ids` (H, W) uint8 and its `uncertainty`, at the resolution of the picture.

    `coarse_train_ids` and `coarse_confidence` are (h, w) uint8: the same at the network's size.
    """

    train_ids: Uint8Array
    uncertainty: Uncertainty
    coarse_train_ids: Uint8Array
    coarse_confidence: Uint8Array


def predict_uncertain(
    predictor: Predictor,
    image: Uint8Array,
    *,
    sliding: bool = False,
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    pixel_aspect: float = 1.0,
) -> UncertainPrediction:
    """Classify (H, W, 3) uint8 RGB; the options, errors and classes are those of `predict`."""
    height, width = image.shape[:2]
    geometry = prediction_geometry(predictor.checkpoint.config, pixel_aspect, size_hw)
    with predictor.explained_memory_errors(image), torch.inference_mode():
        logits = predictor.logits(image, geometry, sliding=sliding, flip=flip)
        outputs, confidence = classify_logits(logits, (height, width), with_confidence=True)
        coarse = _coarse(logits)
        margin, spread = (
            _enlarged(each, height, width) for each in (coarse.margin, coarse.entropy)
        )
        assert confidence is not None  # noqa: S101
        return UncertainPrediction(
            predictor.named(outputs),
            Uncertainty(_levels(confidence), margin, spread),
            predictor.named(coarse.outputs),
            _levels(coarse.confidence),
        )


class _Coarse(NamedTuple):
    """What the logits say at their own size, (h, w): uint8, and three float32 of 0–1."""

    outputs: Uint8Array
    confidence: _Floats
    margin: _Floats
    entropy: _Floats


def _coarse(logits: Tensor) -> _Coarse:
    """Of (C, h, w) float32 logits; the first of equal classes wins."""
    if logits.device.type == "cpu":
        return _coarse_by_opencv(logits.contiguous().numpy())
    return _coarse_by_torch(logits)


def _coarse_by_opencv(planes: _Floats) -> _Coarse:
    """A pass over the plane of each class, then one over the differences: five times as fast."""
    best, second = planes[0].copy(), np.full(planes.shape[1:], -np.inf, np.float32)
    outputs = np.zeros(best.shape, np.uint8)
    leads, rest = np.empty_like(outputs), np.empty_like(best)
    for index, plane in enumerate(planes[1:], 1):
        cv2.compare(plane, best, cv2.CMP_GT, dst=leads)  # 255 where this class leads, else 0
        np.maximum(outputs, np.bitwise_and(leads, index, out=leads), out=outputs)
        cv2.max(second, cv2.min(plane, best, dst=rest), dst=second)
        cv2.max(plane, best, dst=best)
    total, weighted = np.zeros_like(best), np.zeros_like(best)
    power = np.empty_like(best)
    for plane in planes:
        cv2.exp(cv2.subtract(plane, best, dst=rest), dst=power)
        total += power
        weighted += cv2.multiply(power, rest, dst=rest)
    # −Σ p · log p with p = power / total and log p = rest − log total.
    entropy = (np.log(total) - weighted / total) / math.log(len(planes))
    return _Coarse(outputs, 1 / total, (1 - np.exp(second - best)) / total, entropy)


def _coarse_by_torch(logits: Tensor) -> _Coarse:
    probabilities = logits.softmax(0)
    # Not the indices of topk: among equal values it takes any, `max` the first.
    best, classes = probabilities.max(0)
    margin = best - probabilities.topk(2, dim=0).values[1]
    entropy = torch.special.entr(probabilities).sum(0) / math.log(len(probabilities))
    parts = (classes.to(torch.uint8), best, margin, entropy)
    return _Coarse(*(part.cpu().numpy() for part in parts))


def _enlarged(values: _Floats, height: int, width: int) -> Uint8Array:
    return as_uint8(cv2.resize(_levels(values), (width, height), interpolation=cv2.INTER_LINEAR))


def _levels(fractions: _Floats) -> Uint8Array:
    """0–1 in 255 steps."""
    return as_uint8(cv2.convertScaleAbs(fractions, alpha=255))
