"""The running mean of weights: by hand, and in a training that is stopped and goes on."""

from pathlib import Path

import pytest
import torch
from tiny_runs import epoch_rows, make_run, state_of, trained, weights_of
from torch import nn

from cityseg.runs.checkpoints import load_state, load_weights
from cityseg.training.averaging import average_of, follow
from cityseg.training.loop import train


def number(value: float) -> nn.Module:
    """A network of one weight, with a statistic of the same value and a counter."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor(float(value)))
    model.register_buffer("statistic", torch.tensor(float(value)))
    model.register_buffer("count", torch.tensor(int(value)))
    return model


def test_the_mean_follows_weights_and_statistics_and_copies_counters() -> None:
    average, model = average_of(number(0)), number(8)
    follow(average, model, decay=0.75, step=1000)
    assert (average.weight.item(), average.statistic.item(), average.count.item()) == (2, 2, 8)
    assert model.weight.item() == 8


@pytest.mark.parametrize(("step", "expected"), [(1, 7.2), (3, 6.0), (1000, 0.8)])
def test_the_first_steps_count_more(step: int, expected: float) -> None:
    average = average_of(number(0))
    follow(average, number(8), decay=0.9, step=step)
    assert average.weight.item() == pytest.approx(expected)


def test_the_mean_is_trained_by_nothing() -> None:
    model = number(1)
    average = average_of(model)
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert model.weight.requires_grad


@pytest.mark.parametrize("amp", ["off", "bf16"])
def test_a_run_with_a_mean_that_is_stopped_ends_as_one_that_was_not(data: Path, amp: str) -> None:
    settings = {"ema": 0.9, "amp": amp, "flip": True}
    whole, run = trained(data, **settings), make_run(data, **settings)
    calls = iter(range(100))
    assert train(run, should_stop=lambda: next(calls) == 2)["status"] == "stopped"
    train(run)
    assert weights_of(run.best) == weights_of(whole.best)
    assert state_of(run) == state_of(whole)


def test_the_mean_is_what_is_kept_and_scored(data: Path) -> None:
    run = trained(data, ema=0.9, epochs=1)
    state = load_state(run)
    assert state is not None
    kept = load_weights(run.best).weights
    assert all(torch.equal(kept[name], mean) for name, mean in state["average"].items())
    assert not torch.equal(kept["head.weight"], state["model"]["head.weight"])
    plain = trained(data, epochs=1)
    assert epoch_rows(plain)[0]["train_loss"] == epoch_rows(run)[0]["train_loss"]
    assert epoch_rows(plain)[0]["val_loss"] != epoch_rows(run)[0]["val_loss"]
