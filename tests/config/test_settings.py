"""TrainConfig: its bounds and choices, what is derived, and the way through JSON and back.

Also tests: config/fields.
"""

import json
from pathlib import Path
from typing import Any

import child
import pytest
from config_values import BESIDE, BOUNDS, CHOICES, NUMBERS, OF_ENCODERS, refusal_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cityseg.config import TrainConfig, choices_of, make_config
from cityseg.defaults import DATASET_VARIABLE

FIELDS = TrainConfig.model_fields


# Bounds and choices


def test_the_table_of_bounds_has_every_number() -> None:
    assert {name for name, *_ in BOUNDS} == NUMBERS


@pytest.mark.parametrize(("name", "lowest", "highest"), [bound[:3] for bound in BOUNDS])
def test_a_number_may_be_at_its_bounds(name: str, lowest: float, highest: float | None) -> None:
    for value in (lowest, highest):
        if value is not None:
            assert getattr(make_config(BESIDE.get(name, {}) | {name: value}), name) == value


@pytest.mark.parametrize("side", [16, 4096])
def test_a_side_may_be_at_its_bounds(side: int) -> None:
    assert make_config({"size": (side, side)}).size == (side, side)


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_accepted(name: str) -> None:
    choices = choices_of(FIELDS[name])
    assert {getattr(make_config({name: choice}), name) for choice in choices} == set(choices)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:15"])
def test_devices_are_accepted(device: str) -> None:
    assert make_config({"device": device}).device == device


def test_a_title_may_have_200_characters() -> None:
    assert len(make_config({"title": "ü" * 200}).title) == 200


def test_weights_are_none_those_of_imagenet_or_a_file() -> None:
    for weights, expected in (("none", "none"), ("imagenet", "imagenet"), ("w.pth", Path("w.pth"))):
        assert make_config({"weights": weights, "model": "unet:resnet34"}).weights == expected


def test_unet_takes_no_encoder_weights() -> None:
    for weights in ("imagenet", "w.pth"):
        assert refusal_of(weights=weights) == (
            f"The network unet has no encoder that could start from the weights {weights}: "
            "choose none or a model such as unet:resnet34"
        )


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [("decoder_width", 64, 0), ("encoder_rate", 0.1, 1), ("freeze_steps", 9, 0)],
)
def test_unet_has_no_encoder_to_set(name: str, value: float, default: int) -> None:
    assert refusal_of(**{name: value}) == (
        f"The network unet has no encoder, but {name} is {value}: choose {default} or a model "
        "such as unet:resnet34"
    )
    assert getattr(make_config({name: value, "model": "unet:resnet34"}), name) == value


def test_a_crop_larger_than_the_frames_is_refused_unless_they_are_scaled_up() -> None:
    message = refusal_of(size="64x64", crop="64x65")
    assert message.startswith("The crop 64x65 is larger than the size 64x64, so part of every ")
    assert make_config({"size": "64x64", "crop": "64x65", "scale_max": 2}).crop == (64, 65)
    assert make_config({"size": "64x64", "crop": "64x64"}).crop == (64, 64)


def test_smoothing_needs_cross_entropy() -> None:
    assert refusal_of(loss="ohem", label_smoothing=0.1) == (
        "The loss ohem cannot smooth labels, but label_smoothing is 0.1: choose 0 or a loss with "
        "cross_entropy"
    )


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().epochs = 3  # type: ignore[misc]


# Texts, as flags and forms give them


@pytest.mark.parametrize("text", ["256x512", "256×512", "256X512", " 256 x 512 "])
def test_a_size_may_be_written_in_several_ways(text: str) -> None:
    assert make_config({"size": text}).size == (256, 512)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "3", 3),
        ("learning_rate", "3e-4", 3e-4),
        ("flip", "true", True),
        ("flip", "False", False),
        ("flip", "1", True),
        ("flip", "no", False),
        ("seed", str(2**63 - 1), 2**63 - 1),
        ("data", "/some/where", Path("/some/where")),
        ("crop", "32x64", (32, 64)),
    ],
)
def test_texts_are_parsed(name: str, text: str, value: object) -> None:
    assert getattr(make_config({name: text}), name) == value


# What is derived


def test_the_crop_is_the_size_unless_given() -> None:
    assert make_config({"size": "64x96"}).crop_hw == (64, 96)
    assert make_config({"size": "64x96", "crop": "32x48"}).crop_hw == (32, 48)


def test_masks_are_inside_the_dataset_unless_given() -> None:
    assert make_config({"data": "d"}).masks_folder == Path("d/masks")
    assert make_config({"data": "d", "masks": "m"}).masks_folder == Path("m")


def test_the_dataset_defaults_to_the_variable_of_the_official_tools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(DATASET_VARIABLE, "/city")
    assert make_config({}).data == Path("/city")
    monkeypatch.delenv(DATASET_VARIABLE)
    assert make_config({}).data == Path("data")


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_help_text(name: str) -> None:
    help_text = FIELDS[name].description or ""
    assert help_text[:1].isupper()
    assert not help_text.endswith(".")


# JSON


def valid_numbers() -> dict[str, st.SearchStrategy[float]]:
    found: dict[str, st.SearchStrategy[float]] = {}
    for name, lowest, highest, *_ in BOUNDS:
        if FIELDS[name].annotation is int:
            found[name] = st.integers(lowest, highest)
        else:
            found[name] = st.floats(lowest, highest, allow_nan=False, allow_infinity=False)
    return found


def for_its_network(values: dict[str, Any]) -> dict[str, Any]:
    """Without settings that do not go with the network, the classes or the device of `values`."""
    is_plain = values.get("model", "unet") == "unet"
    without = set(OF_ENCODERS) if is_plain else set()
    if values.get("classes") == "seen":
        without.add("label_smoothing")
    if values.get("device") == "cuda:1" or values.get("batch_size", 8) < values.get("devices", 1):
        without.add("devices")
    return {name: value for name, value in values.items() if name not in without}


sides = st.integers(16, 4096)
paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(Path)
valid_values = st.fixed_dictionaries(
    {},
    optional={
        **valid_numbers(),
        **{name: st.sampled_from(choices_of(FIELDS[name])) for name in CHOICES},
        **dict.fromkeys(("data", "masks", "store"), paths),
        **dict.fromkeys(("flip", "channels_last", "compile"), st.booleans()),
        "title": st.text(max_size=200),
        "loss": st.sampled_from(["cross_entropy", "cross_entropy+dice", "cross_entropy+lovasz"]),
        "size": st.tuples(sides, sides),
        "crop": st.just((16, 16)),
        "model": st.sampled_from(["unet", "unet:resnet18", "deeplabv3plus:tu-convnext_atto"]),
        "device": st.sampled_from(["auto", "cpu", "cuda:1"]),
        "wandb_project": st.from_regex(r"[A-Za-z0-9_.-]{1,128}", fullmatch=True),
    },
).map(for_its_network)


@settings(max_examples=50)
@given(valid_values)
def test_every_valid_config_survives_json(values: dict[str, Any]) -> None:
    config = make_config(values)
    written = json.dumps(config.model_dump(mode="json"), allow_nan=False)
    assert make_config(json.loads(written)) == config


@pytest.mark.parametrize("weights", ["none", "imagenet", "/some/weights.safetensors"])
def test_weights_survive_json(weights: str) -> None:
    config = make_config({"weights": weights, "model": "unet:resnet34"})
    written = config.model_dump(mode="json")
    assert written["weights"] == weights
    assert make_config(written) == config


def test_json_names_every_setting_so_that_no_preset_shows_through() -> None:
    written = make_config({}).model_dump(mode="json")
    assert set(written) == set(FIELDS)
    assert make_config(written, "demo") == make_config({})


def test_sizes_are_written_as_people_write_them() -> None:
    written = make_config({"crop": (32, 64)}).model_dump(mode="json")
    assert (written["size"], written["crop"]) == ("256x512", "32x64")


def test_configuration_loads_neither_torch_nor_streamlit() -> None:
    code = "import sys, cityseg.config; print({'torch', 'streamlit'} & set(sys.modules))"
    assert child.output(code) == "set()\n"
