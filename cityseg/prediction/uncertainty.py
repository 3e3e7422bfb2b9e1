"""A prediction with all that says how sure the network was of it."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.geometry import prediction_geometry
from cityseg.metrics import Uncertainty
from cityseg.prediction.predictor import Predictor
from cityseg.prediction.upsampling import classify_logits


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
        train_ids, confidence = classify_logits(logits, (height, width), with_confidence=True)
        probabilities = logits.softmax(0)
        # Not the indices of topk: among equal values it takes any, `max` the first.
        best, coarse_classes = probabilities.max(0)
        second = probabilities.topk(2, dim=0).values[1]
        entropy = torch.special.entr(probabilities).sum(0) / math.log(len(probabilities))
        coarse = coarse_classes.to(torch.uint8).cpu().numpy()
        margin, spread = (_enlarged(part, height, width) for part in (best - second, entropy))
        assert confidence is not None  # noqa: S101
        return UncertainPrediction(
            train_ids,
            Uncertainty(_levels(np.asarray(confidence, np.float32)), margin, spread),
            coarse,
            _levels(best.cpu().numpy()),
        )


def _enlarged(values: Tensor, height: int, width: int) -> Uint8Array:
    levels = _levels(values.cpu().numpy())
    return as_uint8(cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR))


def _levels(fractions: np.ndarray) -> Uint8Array:
    """0–1 in 255 steps."""
    return as_uint8(cv2.convertScaleAbs(fractions, alpha=255))
