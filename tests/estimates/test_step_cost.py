"""The cost of a step, from a process of its own."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import tiny_config

from cityseg.config import TrainConfig
from cityseg.errors import ModelError
from cityseg.estimates import step_cost
from cityseg.estimates.measure import measure_here
from cityseg.estimates.step_cost import measure_step


def config(**values: Any) -> TrainConfig:
    return tiny_config(Path("/nowhere"), **values)


def test_a_process_of_its_own_measures_and_tries_a_few_steps() -> None:
    settings = config()
    cost = measure_step(settings, trial=True)
    assert cost.flops_per_second
    assert math.isfinite(cost.flops_per_second)
    assert cost.flops_per_second > 0
    untried = measure_here(settings, trial=False)
    assert untried.flops_per_second is None
    assert (cost.parameters, cost.peak_bytes, cost.flops) == (
        untried.parameters,
        untried.peak_bytes,
        untried.flops,
    )


def test_an_unknown_network_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="No architecture is called 'fcn'"):
        measure_step(config(model="fcn:resnet18"), trial=False)


def test_a_process_that_dies_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match=r"^Cannot measure a step of 'unet': exit status 1$"):
        measure_step(config(), trial=False)


def test_a_measurement_that_is_not_wanted_any_more_ends() -> None:
    with pytest.raises(ModelError, match="Cannot measure a step of 'unet'"):
        measure_step(config(), trial=True, is_wanted=lambda: False)


def test_a_busy_machine_is_named_and_not_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_cost, "_TIMEOUT_SECONDS", 0.0)
    with pytest.raises(ModelError, match="so busy that a small step") as caught:
        measure_step(config(), trial=True)
    assert "python" not in str(caught.value)
