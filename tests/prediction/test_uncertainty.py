"""A prediction with its uncertainty: the classes are those of `predict`, the rest is softmax."""

import numpy as np
import pytest
import torch

from cityseg.config import make_config
from cityseg.models import build_model
from cityseg.prediction import Predictor, predict_uncertain
from cityseg.prediction.uncertainty import _coarse_by_opencv, _coarse_by_torch
from cityseg.runs.checkpoints import Checkpoint


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    config = make_config({"width": 2, "size": (32, 64)})
    weights = build_model("unet", width=2).state_dict()
    return Predictor(Checkpoint("weights", config, weights, 1, {}), "cpu", amp="off")


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"size_hw": (48, 96)}], ids=str)
def test_classes_and_confidence_are_those_of_predict(predictor, options) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    plain = predictor.predict(image, with_confidence=True, **options)
    found = predict_uncertain(predictor, image, **options)
    assert (found.train_ids == plain.train_ids).all()
    assert np.abs(found.uncertainty.confidence / 255 - plain.confidence).max() < 0.003
    assert found.coarse_train_ids.shape == options.get("size_hw", (32, 64))


def test_margin_and_entropy_are_those_of_the_softmax(predictor) -> None:
    image = np.random.default_rng(1).integers(0, 256, (32, 64, 3), np.uint8)
    with torch.inference_mode():
        found = predict_uncertain(predictor, image)
        probabilities = predictor.logits(image).double().softmax(0).numpy()
    best, second = np.sort(probabilities, axis=0)[[-1, -2]]
    entropy = -(probabilities * np.log(probabilities)).sum(0) / np.log(19)
    assert np.abs(found.uncertainty.margin / 255 - (best - second)).max() < 0.003
    assert np.abs(found.uncertainty.entropy / 255 - entropy).max() < 0.003
    assert np.abs(found.coarse_confidence / 255 - best).max() < 0.003
    assert (found.coarse_train_ids == found.train_ids).all()  # the picture has the network's size


@pytest.mark.parametrize("scale", [0, 1, 30, 1000])
def test_both_ways_to_the_coarse_maps_agree(scale) -> None:
    logits = scale * torch.randn(19, 16, 32, generator=torch.Generator().manual_seed(0))
    fast, plain = _coarse_by_opencv(logits.numpy()), _coarse_by_torch(logits)
    assert (fast.outputs == plain.outputs).all()
    for own, expected in zip(fast[1:], plain[1:], strict=True):
        np.testing.assert_allclose(own, expected, atol=2e-6)
