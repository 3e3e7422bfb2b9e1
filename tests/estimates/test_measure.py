"""The measured cost of a step, compared with steps that are taken."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import make_city, tiny_config, trained

from cityseg.config import TrainConfig, settings_that
from cityseg.estimates import measure
from cityseg.estimates.measure import AliveBytes, measure_here
from cityseg.models import build_model, count_parameters
from cityseg.runs.checkpoints import load_state
from cityseg.training.losses import build_loss


def config(**values: Any) -> TrainConfig:
    return tiny_config(Path("/nowhere"), **values)


@pytest.mark.parametrize("model", ["unet", "unet:resnet18"])
def test_parameters_are_those_of_the_network(model: str) -> None:
    expected = count_parameters(build_model(model, width=3))
    assert measure_here(config(model=model, width=3), trial=False).parameters == expected


@pytest.mark.parametrize(
    "settings",
    [{"optimizer": "adamw"}, {"optimizer": "sgd"}, {"ema": 0.9}, {"norm": "group", "ema": 0.9}],
    ids=str,
)
def test_the_state_has_the_bytes_of_a_checkpoint(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = trained(make_city(tmp_path / "data", 4, 1), epochs=1, **settings)
    state = load_state(run)
    assert state
    moments = [
        tensor
        for of_parameter in state["optimizer"]["state"].values()
        for name, tensor in of_parameter.items()
        if name != "step"
    ]
    average = (state["average"] or {}).values()
    expected = sum(tensor.nbytes for tensor in [*state["model"].values(), *average, *moments])
    assert measure_here(run.config(), trial=False).state_bytes == expected


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "cross_entropy+dice", "cross_entropy+lovasz", "ohem"]
)
def test_the_memory_is_that_of_a_step_that_is_taken(loss: str) -> None:
    settings = config(width=4, size="64x128", batch_size=3, loss=loss, amp="off")
    cost = measure_here(settings, trial=False)
    model = build_model("unet", width=4)
    criterion = build_loss(settings, np.zeros(20, np.int64), torch.device("cpu"))
    with AliveBytes() as alive:
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        truth = torch.zeros((3, 64, 128), dtype=torch.int64)
        value = criterion(model(torch.rand(3, 3, 64, 128)), truth)
        model.zero_grad(set_to_none=True)
        value.backward()
    assert cost.peak_bytes - cost.state_bytes == alive.most


def test_bfloat16_takes_less_memory_but_more_than_half() -> None:
    whole, half = (
        measure_here(config(width=8, size="128x256", amp=amp), trial=False)
        for amp in ("off", "bf16")
    )
    assert whole.peak_bytes / 2 < half.peak_bytes < 0.8 * whole.peak_bytes
    assert half.flops == whole.flops


def test_large_frames_count_where_only_crops_are_trained_on() -> None:
    crops, whole = (
        measure_here(config(size="256x512", crop=crop), trial=False) for crop in ("32x64", None)
    )
    logits = 2 * 256 * 512 * 19 * 4
    assert logits < crops.peak_bytes < whole.peak_bytes
    assert whole.flops == 64 * crops.flops


#: For each setting another value than `config` has.
OTHER_VALUES: dict[str, Any] = {
    "data": Path("/elsewhere"),
    "masks": Path("/masks"),
    "store": Path("/store"),
    "exclude": Path("/names.txt"),
    "review": Path("/ledger.jsonl"),
    "fold": "1/2",
    "title": "a title",
    "model": "unet:resnet18",
    "width": 4,
    "norm": "group",
    "decoder_width": 8,
    "start_from": "box",
    "weights": "imagenet",
    "size": (64, 64),
    "fit": "squash",
    "crop": (16, 16),
    "batch_size": 3,
    "epochs": 7,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "encoder_rate": 0.1,
    "freeze_steps": 3,
    "weight_decay": 0.1,
    "schedule": "poly",
    "warmup_steps": 3,
    "clip_norm": 1.0,
    "ema": 0.9,
    "loss": "lovasz",
    "lovasz_stride": 2,
    "label_smoothing": 0.1,
    "class_weights": "inverse_log",
    "scale_min": 0.5,
    "scale_max": 2.0,
    "flip": True,
    "jitter": 0.3,
    "blur": 1.0,
    "noise": 0.1,
    "copy_paste": 0.5,
    "classes": "seen",
    "device": "cuda",
    "devices": 2,
    "amp": "bf16",
    "channels_last": False,
    "compile": True,
    "seed": 1,
    "save_every": 1,
    "checkpoint_minutes": 1.0,
    "patience": 1,
    "wandb": "offline",
    "wandb_project": "other",
}


@pytest.fixture
def _bfloat16_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a GPU that has bfloat16, and a CPU that has not."""
    monkeypatch.setattr(
        measure, "resolve_device", lambda name: torch.device("cpu" if name == "auto" else name)
    )
    monkeypatch.setattr(
        measure,
        "uses_bfloat16",
        lambda amp, device: amp == "bf16" or (amp == "auto" and device.type == "cuda"),
    )


#: Settings that matter to some other settings alone: class weights to a loss with dice, ...
BASES: list[dict[str, Any]] = [
    {"amp": "auto"},
    {"amp": "auto", "loss": "cross_entropy+dice"},
    {"model": "unet:resnet18"},
    {"loss": "lovasz"},
]


@pytest.mark.usefixtures("_bfloat16_on_gpus")
@pytest.mark.parametrize("name", sorted(settings_that("changes_memory")))
def test_memory_depends_on_the_settings_marked_so(name: str) -> None:
    pairs = [(config(**base), base | {name: OTHER_VALUES[name]}) for base in BASES]
    assert any(memory(one) != memory(one.model_copy(update=other)) for one, other in pairs)


@pytest.mark.usefixtures("_bfloat16_on_gpus")
@pytest.mark.parametrize("base", BASES, ids=str)
def test_memory_depends_on_no_other_settings(base: dict[str, Any]) -> None:
    one = config(**base)
    others = TrainConfig.model_fields.keys() - settings_that("changes_memory")
    changes = {name: OTHER_VALUES[name] for name in others}
    # All at once; one by one only to say which.
    assert memory(one) == memory(one.model_copy(update=changes)), [
        name
        for name, value in changes.items()
        if memory(one) != memory(one.model_copy(update={name: value}))
    ]


@functools.cache
def memory(settings: TrainConfig) -> tuple[int, int]:
    cost = measure_here(settings, trial=False)
    return cost.state_bytes, cost.peak_bytes
