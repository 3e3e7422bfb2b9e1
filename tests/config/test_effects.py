"""Settings that are valid and do nothing are told."""

from typing import Any

import pytest

from cityseg.config import make_config, settings_without_effect


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"model": "unet:resnet18", "width": 32}, "width 32 does nothing"),
        ({"model": "unet:resnet18", "norm": "group"}, "norm group does nothing"),
        ({"loss": "dice", "class_weights": "inverse_log"}, "class_weights"),
        ({"lovasz_stride": 4}, "lovasz_stride"),
        ({"copy_paste": 0.5, "batch_size": 1}, "copy_paste"),
        ({"size": "32x64", "crop": "64x128", "scale_max": 1.01}, "crop is larger than size"),
        ({"model": "unet:resnet18", "freeze_steps": 20}, "the encoder never learns"),
        ({"warmup_steps": 30}, "never gets to its peak"),
    ],
)
def test_each_is_told_alone(settings: dict[str, Any], name: str) -> None:
    (note,) = settings_without_effect(make_config(settings), steps=20)
    assert name in note


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_weights": "inverse_log"},
        {"loss": "ohem", "class_weights": "inverse_log"},
        {"loss": "cross_entropy+lovasz", "class_weights": "inverse_log", "lovasz_stride": 4},
        {"size": "32x64", "crop": "64x128", "scale_max": 2},
        {"model": "unet:resnet18", "freeze_steps": 19, "warmup_steps": 19, "copy_paste": 0.5},
    ],
)
def test_what_has_an_effect_is_not(settings: dict[str, Any]) -> None:
    config = make_config(settings)
    assert settings_without_effect(config, steps=20) == []
    assert settings_without_effect(config) == []
