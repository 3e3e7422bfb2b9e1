"""TrainConfig: every preset, bound and message, and the way through JSON and back."""

import json
import math
from pathlib import Path
from typing import Literal, get_args, get_origin

import child
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cityseg.config import TrainConfig, find_problems, followed_rate, load_config, make_config
from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import ConfigError
from cityseg.presets import PRESETS

FIELDS = TrainConfig.model_fields

#: (field, smallest and largest allowed value, a value just too small, one just too large)
BOUNDS = [
    ("width", 1, 256, 0, 257),
    ("batch_size", 1, 1024, 0, 1025),
    ("epochs", 1, 10_000, 0, 10_001),
    ("learning_rate", 5e-324, 10, 0, 10.001),
    ("weight_decay", 0, 1, -1e-9, 1.001),
    ("warmup_steps", 0, None, -1, None),
    ("clip_norm", 0, None, -1e-9, None),
    ("ema", 0, 0.9999, -1e-9, 1),
    ("label_smoothing", 0, 0.99, -1e-9, 1),
    ("scale_min", 0.1, 1, 0.099, 1.001),
    ("scale_max", 1, 10, 0.999, 10.001),
    ("jitter", 0, 1, -1e-9, 1.001),
    ("seed", 0, 2**63 - 1, -1, 2**63),
    ("save_every", 0, None, -1, None),
    ("checkpoint_minutes", 5e-324, None, 0, None),
    ("patience", 0, None, -1, None),
]
NUMBERS = {name for name, field in FIELDS.items() if field.annotation in (int, float)}


def refusal_of(preset="reference", **values):
    with pytest.raises(ConfigError) as caught:
        make_config(values, preset)
    return str(caught.value)


# --- presets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_sets_what_it_says(preset):
    config = make_config({}, preset)
    assert {name: getattr(config, name) for name in PRESETS[preset].settings} == dict(
        PRESETS[preset].settings
    )
    assert PRESETS[preset].why.endswith(".")


def test_the_reference_preset_is_the_defaults():
    assert make_config({}, "reference") == TrainConfig()


def test_the_reference_preset_is_the_recipe_of_the_document():
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


def test_values_override_the_preset():
    assert make_config({"epochs": 3}, "demo").epochs == 3


def test_an_unknown_preset_is_refused_with_the_known_ones():
    assert refusal_of("nonesuch") == (
        "no preset is called 'nonesuch': choose from " + ", ".join(PRESETS)
    )


# --- bounds and messages ---------------------------------------------------------------------


def test_the_table_of_bounds_has_every_number():
    assert {name for name, *_ in BOUNDS} == NUMBERS


@pytest.mark.parametrize(("name", "lowest", "highest", "below", "above"), BOUNDS)
def test_a_number_may_be_at_its_bounds_and_not_beyond(name, lowest, highest, below, above):
    for value in (lowest, highest):
        if value is not None:
            assert getattr(make_config({name: value}), name) == value
    for value in (below, above):
        if value is not None:
            assert refusal_of(**{name: value}).startswith(f"{name} is {value!r}: Input should be ")


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf"])
def test_no_number_may_be_nan_or_infinite(name, value):
    assert name in refusal_of(**{name: value})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("256", "'256'"),
        ("256x", "'256x'"),
        ("axb", "'axb'"),
        ("1x2x3", "'1x2x3'"),
        ("-16x16", "'-16x16'"),
        ("", "''"),
        ((256,), "(256,)"),
        ((15, 16), "15"),
        ("16x4097", "4097"),
        (256, "256"),
        (None, "None"),
    ],
)
def test_a_size_of_another_form_is_refused(value, found):
    assert refusal_of(size=value).startswith(f"size is {found}: ")


def test_a_wrong_size_is_told_how_to_write_one():
    assert refusal_of(size="256") == "size is '256': write HEIGHTxWIDTH, such as 256x512"


@pytest.mark.parametrize("side", [16, 4096])
def test_a_side_may_be_at_its_bounds(side):
    assert make_config({"size": (side, side)}).size == (side, side)


CHOICES = [name for name, field in FIELDS.items() if get_origin(field.annotation) is Literal]


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_accepted_and_others_are_told_the_choices(name):
    choices = get_args(FIELDS[name].annotation)
    assert {getattr(make_config({name: choice}), name) for choice in choices} == set(choices)
    message = refusal_of(**{name: "other"})
    assert message.startswith(f"{name} is 'other': ")
    assert all(repr(choice) in message for choice in choices)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:15"])
def test_devices_are_understood(device):
    assert make_config({"device": device}).device == device


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:-1", "cuda:٣", "cuda:999", "cpu\n"])
def test_other_devices_are_refused(device):
    assert refusal_of(device=device).startswith(f"device is {device!r}: ")


@pytest.mark.parametrize("project", ["", "a b", "a/b", "x" * 129])
def test_a_project_that_weights_and_biases_would_refuse_is_refused(project):
    assert refusal_of(wandb_project=project).startswith(f"wandb_project is {project!r}: ")


def test_a_title_has_at_most_200_characters():
    assert len(make_config({"title": "ü" * 200}).title) == 200
    assert "at most 200" in refusal_of(title="ü" * 201)


def test_a_model_of_another_form_is_refused():
    assert refusal_of(model="U-Net").startswith("model is 'U-Net': ")


def test_unet_takes_no_encoder_weights():
    assert refusal_of(weights="imagenet").startswith("weights is 'imagenet': unet has no encoder")
    assert make_config({"weights": "imagenet", "model": "unet:resnet34"}).weights == "imagenet"


def test_a_crop_larger_than_the_frames_is_refused_unless_they_are_scaled_up():
    message = refusal_of(size="64x64", crop="64x65")
    assert message.startswith("crop is 64x65: larger than size, 64x64")
    assert make_config({"size": "64x64", "crop": "64x65", "scale_max": 2}).crop == (64, 65)
    assert make_config({"size": "64x64", "crop": "64x64"}).crop == (64, 64)


def test_a_wrong_crop_names_the_crop():
    assert refusal_of(crop="8x64").startswith("crop is 8: ")


def test_an_unknown_setting_is_refused_by_name():
    assert refusal_of(learning_rat=1).startswith("there is no setting 'learning_rat': see ")


def test_all_problems_are_told_at_once():
    message = refusal_of(epochs=0, size="big", unknown=1, loss="l2", flip="perhaps")
    assert message.count("; ") == 4
    for part in ("epochs is 0", "size is 'big'", "'unknown'", "loss is 'l2'", "flip is 'perhaps'"):
        assert part in message


def test_a_config_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().epochs = 3  # type: ignore[misc]


# --- strings, as flags and forms give them ---------------------------------------------------


@pytest.mark.parametrize("text", ["256x512", "256×512", "256X512", " 256 x 512 "])
def test_a_size_may_be_written_in_several_ways(text):
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
def test_strings_are_parsed(name, text, value):
    assert getattr(make_config({name: text}), name) == value


@pytest.mark.parametrize(("name", "text"), [("epochs", "3.5"), ("epochs", "three"), ("flip", "2")])
def test_strings_that_mean_nothing_are_refused(name, text):
    assert refusal_of(**{name: text}).startswith(f"{name} is {text!r}: ")


# --- derived ---------------------------------------------------------------------------------


def test_the_crop_is_the_size_unless_given():
    assert make_config({"size": "64x96"}).crop_hw == (64, 96)
    assert make_config({"size": "64x96", "crop": "32x48"}).crop_hw == (32, 48)


def test_masks_lie_in_the_dataset_unless_given():
    assert make_config({"data": "d"}).masks_folder == Path("d/masks")
    assert make_config({"data": "d", "masks": "m"}).masks_folder == Path("m")


def test_the_dataset_defaults_to_the_variable_of_the_official_tools(monkeypatch):
    monkeypatch.setenv(DATASET_VARIABLE, "/city")
    assert make_config({}).data == Path("/city")
    monkeypatch.delenv(DATASET_VARIABLE)
    assert make_config({}).data == Path("data")


def test_every_setting_has_a_help_text():
    assert not [name for name, field in FIELDS.items() if not field.description]


# --- JSON ------------------------------------------------------------------------------------


def valid_numbers():
    for name, lowest, highest, *_ in BOUNDS:
        if FIELDS[name].annotation is int:
            yield name, st.integers(lowest, highest)
        else:
            yield name, st.floats(lowest, highest, allow_nan=False, allow_infinity=False)


sides = st.integers(16, 4096)
paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(Path)
valid_values = st.fixed_dictionaries(
    {},
    optional={
        **dict(valid_numbers()),
        **{name: st.sampled_from(get_args(FIELDS[name].annotation)) for name in CHOICES},
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
)


@settings(max_examples=50)
@given(valid_values)
def test_every_valid_config_survives_json(values):
    config = make_config(values)
    written = json.dumps(config.model_dump(mode="json"), allow_nan=False)
    assert make_config(json.loads(written)) == config


def test_json_names_every_setting_so_that_no_preset_shows_through():
    written = make_config({}).model_dump(mode="json")
    assert set(written) == set(FIELDS)
    assert make_config(written, "demo") == make_config({})


def test_problems_are_found_by_setting():
    found = find_problems({"epochs": "0", "learning_rate": "fast", "size": "8x9", "flip": True})
    assert found == {
        "epochs": "Input should be greater than or equal to 1",
        "learning_rate": "Input should be a valid number, unable to parse string as a number",
        "size": "Input should be greater than or equal to 16",
    }


def test_a_problem_of_several_settings_is_found_under_no_name():
    assert "larger than size" in find_problems({"crop": "512x512"})[""]


def test_what_can_be_built_has_no_problems():
    assert find_problems({"epochs": "3", "crop": None}, "demo") == {}


def test_sizes_are_written_as_people_write_them():
    written = make_config({"crop": (32, 64)}).model_dump(mode="json")
    assert (written["size"], written["crop"]) == ("256x512", "32x64")


def test_a_config_is_read_from_its_file(tmp_path):
    config = make_config({"epochs": 3, "title": "Zürich"})
    (tmp_path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    assert load_config(tmp_path / "config.json") == config


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"epochs": ', "is not a readable configuration"),
        (b"\xff\xfe", "is not a readable configuration"),
        (b"[]", "found list"),
        (b'{"epochs": 0}', "epochs is 0: "),
        (b'{"epochs": NaN}', "epochs is nan: "),
        (b'{"epoch": 1}', "no setting 'epoch'"),
    ],
)
def test_a_file_that_holds_no_config_is_refused(tmp_path, content, said):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "config.json")


def test_configuration_loads_neither_torch_nor_streamlit():
    code = "import sys, cityseg.config; print({'torch', 'streamlit'} & set(sys.modules))"
    assert child.output(code) == "set()\n"


# --- the learning rate and the batch ---------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"batch_size": 32}, 2e-4),
        ({"batch_size": "2"}, 5e-5),
        ({"batch_size": 8}, 1e-4),
        ({"batch_size": 32, "optimizer": "sgd"}, 4e-4),
        ({"batch_size": 32, "learning_rate": 1e-4}, 1e-4),
        ({"epochs": 3}, 1e-4),
    ],
)
def test_the_learning_rate_follows_the_batch_unless_it_is_given(values, expected):
    assert make_config(values).learning_rate == expected


def test_the_learning_rate_starts_from_that_of_the_preset():
    assert make_config({"batch_size": 16}, "demo").learning_rate == 8e-3


def test_a_learning_rate_that_follows_stays_within_its_bounds():
    assert followed_rate(4, 1, 1000, "sgd") == 10


def test_smoothing_needs_cross_entropy():
    assert refusal_of(loss="ohem", label_smoothing=0.1) == (
        "label_smoothing is 0.1: the loss ohem cannot smooth, choose 0 or a loss with cross_entropy"
    )
