"""Presets are valid, say why they are as they are, and the reference one is the document's."""

from pathlib import Path

import boxes
import pytest

from cityseg.config import TrainConfig, make_config
from cityseg.presets import PRESETS
from cityseg.runs import started_config


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_sets_what_it_says(preset: str) -> None:
    config = make_config({}, preset)
    assert {name: getattr(config, name) for name in PRESETS[preset].settings} == dict(
        PRESETS[preset].settings
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_explains_itself_in_sentences(preset: str) -> None:
    why = PRESETS[preset].why
    assert why[0].isupper()
    assert why.endswith(".")


def test_the_reference_preset_is_the_defaults() -> None:
    assert make_config({}, "reference") == TrainConfig()


def test_the_reference_preset_is_the_recipe_of_the_document() -> None:
    config = make_config({})
    recipe = {
        "model": "unet",
        "loss": "cross_entropy",
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "batch_size": 8,
        "epochs": 10,
    }
    plain = {
        "class_weights": "none",
        "schedule": "constant",
        "warmup_steps": 0,
        "weight_decay": 0,
        "clip_norm": 0,
        "patience": 0,
    }
    assert {name: getattr(config, name) for name in recipe | plain} == recipe | plain


def test_finetune_starts_from_the_box_and_takes_its_network_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch, model="fpn:resnet18", decoder_width=32)
    config = started_config({}, "finetune")
    assert config.start_from == "box"
    assert (config.model, config.decoder_width, config.weights) == ("fpn:resnet18", 32, "none")
