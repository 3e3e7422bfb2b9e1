"""The optimizers, and their learning rate at each step of a run."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import tiny_config

from cityseg.models import build_model, encoder_of
from cityseg.training.optimizers import build_optimizer, hold_encoder, learning_rate


def schedule(steps: int, **values: Any) -> list[float]:
    config = tiny_config(Path("/data"), learning_rate=8.0, **values)
    return [learning_rate(config, step, steps) for step in range(steps)]


def test_a_constant_learning_rate_stays() -> None:
    assert schedule(3) == [8, 8, 8]


def test_a_cosine_falls_in_half_a_wave() -> None:
    root = math.sqrt(0.5)
    expected = [8, 4 * (1 + root), 4, 4 * (1 - root)]
    assert schedule(4, schedule="cosine") == pytest.approx(expected)


def test_poly_falls_with_the_power_of_nine_tenths() -> None:
    expected = [8 * share**0.9 for share in (1, 0.75, 0.5, 0.25)]
    assert schedule(4, schedule="poly") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "after_warmup"), [("constant", [8, 8]), ("cosine", [8, 4]), ("poly", [8, 4.2871])]
)
def test_warm_up_rises_in_equal_steps_to_the_peak(name: str, after_warmup: list[float]) -> None:
    expected = [2, 4, 6, *after_warmup]
    assert schedule(5, schedule=name, warmup_steps=3) == pytest.approx(expected, rel=1e-4)


def test_a_warm_up_longer_than_the_run_ends_at_the_peak() -> None:
    assert schedule(4, warmup_steps=100) == [2, 4, 6, 8]


@pytest.mark.parametrize(("name", "rate"), [("constant", 8), ("cosine", 0), ("poly", 0)])
def test_steps_beyond_the_planned_ones_have_a_learning_rate(name: str, rate: float) -> None:
    config = tiny_config(Path("/data"), learning_rate=8.0, schedule=name)
    assert learning_rate(config, 12, 10) == rate


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_weight_decay_is_for_kernels_only(name: str, kind: type[torch.optim.Optimizer]) -> None:
    model = build_model("unet", width=2)
    config = tiny_config(Path("/data"), optimizer=name, weight_decay=0.25)
    optimizer = build_optimizer(config, model)
    assert type(optimizer) is kind
    decay = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert decay == {id(p): 0.25 if p.ndim > 1 else 0.0 for p in model.parameters()}


def test_sgd_has_nesterov_momentum() -> None:
    config = tiny_config(Path("/data"), optimizer="sgd")
    for group in build_optimizer(config, build_model("unet", width=2)).param_groups:
        assert (group["momentum"], group["nesterov"]) == (0.9, True)


@pytest.fixture(scope="module")
def with_encoder() -> torch.nn.Module:
    return build_model("fpn:tu-mobilenetv3_small_050", decoder_width=32)


def test_an_encoder_may_have_a_share_of_the_learning_rate(with_encoder: torch.nn.Module) -> None:
    config = tiny_config(Path("/data"), model="fpn:x", weight_decay=0.25, encoder_rate=0.1)
    encoder = encoder_of(with_encoder)
    assert encoder is not None
    groups = build_optimizer(config, with_encoder).param_groups
    share = {id(p): group.get("rate_factor", 1) for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    own = {id(p) for p in encoder.parameters()}
    assert share == {id(p): 0.1 if id(p) in own else 1 for p in with_encoder.parameters()}
    assert decay == {id(p): 0.25 if p.ndim > 1 else 0 for p in with_encoder.parameters()}
    assert sum(len(group["params"]) for group in groups) == len(share)


def test_without_a_share_the_groups_are_those_of_earlier_states(
    with_encoder: torch.nn.Module,
) -> None:
    config = tiny_config(Path("/data"), model="fpn:x")
    groups = build_optimizer(config, with_encoder).param_groups
    ids = [[id(p) for p in group["params"]] for group in groups]
    every = list(with_encoder.parameters())
    assert ids == [[id(p) for p in every if p.ndim > 1], [id(p) for p in every if p.ndim <= 1]]


def test_a_frozen_encoder_learns_nothing_until_its_steps_are_over(
    with_encoder: torch.nn.Module,
) -> None:
    config = tiny_config(Path("/data"), model="fpn:x", freeze_steps=2)
    encoder = encoder_of(with_encoder)
    assert encoder is not None
    for step, learns in ((0, False), (1, False), (2, True)):
        with_encoder.train()
        before = [b.clone() for b in encoder.buffers()]
        hold_encoder(config, with_encoder, step)
        with_encoder.zero_grad()
        with_encoder(torch.rand(2, 3, 64, 64)).sum().backward()
        assert [p.grad is not None for p in encoder.parameters()] == [learns] * len(
            list(encoder.parameters())
        )
        same = [torch.equal(*pair) for pair in zip(before, encoder.buffers(), strict=True)]
        assert all(same) != learns  # the statistics of batch norms
        decoder = with_encoder.get_submodule("network.decoder")
        assert all(p.grad is not None for p in decoder.parameters())
