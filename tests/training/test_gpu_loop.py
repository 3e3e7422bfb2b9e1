"""What the training loop asks of a GPU, heard without one: its tensors have shapes only.

Mirrors no module: it watches all of the loop at once.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final, get_args

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cityseg.config import TrainConfig, make_config
from cityseg.data.store import Store
from cityseg.geometry import Geometry
from cityseg.models import model_of
from cityseg.training.augment import augment, epoch_views
from cityseg.training.averaging import follow
from cityseg.training.batches import FrameSource
from cityseg.training.losses import build_loss

CPU: Final = torch.device("cpu")
GPU: Final = torch.device("cuda", 0)
SIZE: Final = (32, 64)
LOSSES: Final = get_args(TrainConfig.model_fields["loss"].annotation)
#: Operations whose answer has to come back before the program goes on.
ANSWERED: Final = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "equal")
COPIES: Final = ("_to_copy", "copy_", "lift_fresh")


class Listener(TorchDispatchMode):
    """Keeps what makes the program wait for the GPU."""

    def __init__(self):
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        given = tensors_in((args, kwargs))
        picks = name.startswith("index") and any(each.dtype == torch.bool for each in given[1:])
        if GPU in [each.device for each in given] and (name in ANSWERED or picks):
            self.waits.append(name)
        result = func(*args, **kwargs)
        crosses = len({each.device for each in (*given, *tensors_in(result))}) > 1
        if name in COPIES and crosses and not kwargs.get("non_blocking"):
            self.waits.append(name)
        return result


def tensors_in(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


@pytest.fixture
def waits(monkeypatch):
    """What made the program wait for a GPU that computes nothing."""
    # Memory is pinned by the driver, which is not here.
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    # A backward pass needs the driver, too.
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), Listener() as listener:
        yield listener.waits


def settings(**changes):
    moving = {"scale_min": 0.5, "scale_max": 2.0, "flip": True, "jitter": 0.3, "width": 4}
    return make_config({"size": SIZE, "device": "cpu", **moving, **changes})


def frames(count):
    images = torch.empty((count, *SIZE, 3), dtype=torch.uint8, device=GPU)
    return images, torch.empty((count, *SIZE), dtype=torch.uint8, device=GPU)


@pytest.mark.parametrize(
    "wait",
    [
        lambda pixels: pixels.sum().item(),
        lambda pixels: pixels[pixels > 1],
        lambda pixels: pixels.cpu(),
        lambda pixels: pixels + torch.ones(3).to(GPU),
        lambda pixels: pixels.new_tensor([1.0, 2.0]),
    ],
)
def test_waiting_is_heard(waits, wait):
    with suppress(DataDependentOutputException, DynamicOutputShapeException):
        wait(torch.empty(3, device=GPU))
    assert waits


def test_batches_are_gathered_and_augmented_without_waiting(waits):
    config = settings()
    images, masks = frames(7)
    arrays = np.empty((7, 2, 2, 3)), np.empty((7, 2, 2))
    source = FrameSource(Store(Path(), [], *arrays, [], Geometry((2, 2))), CPU)
    source.device, source.images, source.masks, source.resident = GPU, images, masks, True
    views = epoch_views(7, config, 1)
    for images, masks in source.batches(np.arange(4), 4):
        inputs, truth = augment(images, masks, views, slice(0, 4), config.crop_hw)
        assert (inputs.device, inputs.shape) == (GPU, (4, 3, *SIZE))
        assert (truth.device, truth.dtype) == (GPU, torch.int64)
    assert not waits


@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_waits(waits, loss):
    compute = build_loss(settings(loss=loss, class_weights="inverse_log"), np.arange(20), GPU)
    waits.clear()
    truth = torch.empty((4, *SIZE), dtype=torch.int64, device=GPU)
    assert compute(torch.empty((4, 19, *SIZE), device=GPU), truth).device == GPU
    assert not waits


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_neither_the_network_nor_its_average_waits(waits, norm):
    with GPU:
        model = model_of(settings(norm=norm))
        average = model_of(settings(norm=norm))
    waits.clear()
    assert model(torch.empty((2, 3, *SIZE), device=GPU)).device == GPU
    follow(average, model, 0.9, 1)
    assert not waits
