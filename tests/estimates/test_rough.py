"""The rough cost and speed, against what is measured."""

from pathlib import Path

import pytest
from tiny_runs import tiny_config

from cityseg.estimates.measure import measure_here
from cityseg.estimates.rough import rough_cost, rough_speed
from cityseg.models import count_parameters, model_of
from cityseg.presets import PRESETS


@pytest.mark.parametrize("width", [2, 16, 64])
def test_a_unet_has_the_parameters_that_the_formula_gives(width: int) -> None:
    config = tiny_config(Path("/nowhere"), width=width)
    assert rough_cost(config).parameters == count_parameters(model_of(config))


@pytest.mark.parametrize(
    "values", [{"width": 16}, {"model": "unet:resnet18"}, {"model": "fpn:tu-tf_efficientnet_lite0"}]
)
def test_the_rough_cost_is_within_a_factor_of_the_measured(values: dict[str, object]) -> None:
    config = tiny_config(Path("/nowhere"), size=(128, 256), **values)
    rough, measured = rough_cost(config), measure_here(config, trial=False)
    for name in ("parameters", "state_bytes", "peak_bytes", "flops"):
        assert 0.3 < getattr(rough, name) / getattr(measured, name) < 3.0, name


def test_without_runs_the_speed_is_a_guess_by_the_kind_of_device() -> None:
    narrow, wide = (
        rough_speed(tiny_config(Path("/nowhere"), width=width), []) for width in (16, 64)
    )
    assert narrow.source == wide.source == "guess"
    assert narrow.pixels_per_second > 10 * wide.pixels_per_second


def test_every_preset_has_a_rough_cost() -> None:
    for preset in PRESETS.values():
        assert rough_cost(tiny_config(Path("/nowhere"), **preset.settings)).flops > 0
