"""Which classes a network may predict; the rest of the module is tested by the loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from config_values import refusal_of
from tiny_runs import epoch_rows, make_city, make_run, trained
from torch import nn

from cityseg.errors import ModelError
from cityseg.labels import CLASS_NAMES
from cityseg.models.unet import UNet
from cityseg.runs.checkpoints import load_weights
from cityseg.training.state import assemble, offer_classes

#: Train ids of the tiny city: road, building, sky, car.
OCCURRING = [0, 2, 10, 13]


def test_classes_without_pixels_in_training_are_never_predicted(tmp_path: Path) -> None:
    data = make_city(tmp_path / "city")
    values = {"learning_rate": 1e-9, "optimizer": "adamw", "weight_decay": 0.1, "ema": 0.5}
    everything = trained(data, **values, epochs=1)
    run = trained(data, **values, classes="seen")
    absent = [name for number, name in enumerate(CLASS_NAMES) if number not in OCCURRING]
    (row,) = epoch_rows(everything)
    assert 0.0 in [row["class_iou"][name] for name in absent]
    for row in epoch_rows(run):
        assert {row["class_iou"][name] for name in absent} == {None}
    bias = load_weights(run.best).weights["head.bias"]
    assert (bias == -1e4).nonzero().flatten().tolist() == [
        number for number in range(19) if number not in OCCURRING
    ]
    again = make_run(data, start_from=run.path)
    assert assemble(again, None).model.state_dict()["head.bias"].abs().max() < 100


def test_classes_that_a_network_could_not_predict_come_back() -> None:
    model = UNet(width=2)
    before = model.head.bias.clone()
    pixels = np.zeros(20, np.int64)
    pixels[OCCURRING] = 5
    offer_classes(model, pixels, only_seen=True)
    seen = torch.zeros(19, dtype=torch.bool)
    seen[OCCURRING] = True
    assert torch.equal(model.head.bias == before, seen)
    offer_classes(model, pixels, only_seen=False)
    assert torch.equal(model.head.bias, torch.where(seen, before, 0))


def test_a_last_layer_without_bias_is_refused() -> None:
    model = nn.Conv2d(3, 19, 1, bias=False)
    offer_classes(model, np.zeros(20, np.int64), only_seen=False)
    with pytest.raises(ModelError, match="has no bias: choose classes all"):
        offer_classes(model, np.zeros(20, np.int64), only_seen=True)


def test_labels_are_not_smoothed_over_classes_that_are_never_predicted() -> None:
    said = refusal_of(classes="seen", label_smoothing=0.1)
    assert "classes is seen and label_smoothing is 0.1: choose 0, or classes all" in said
