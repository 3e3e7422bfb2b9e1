"""Every invalid setting is explained in our own words: what was found, and what is allowed."""

import json
import math
from typing import Any

import pytest
from config_values import BESIDE, BOUNDS, CHOICES, FIELDS, NUMBERS, refusal_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityseg.config import choices_of, find_problems, make_config
from cityseg.errors import ConfigError

#: What pydantic's own texts have in common.
VALIDATORS_WORDS = ("Input should", "input should", "unable to", "validation error", "Value error")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


# One setting


WHOLE, NUMBER = "it must be a whole number, at least", "it must be a number,"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_size", 0, f"0: {WHOLE} 1 and at most 1024"),
        ("epochs", "3.5", f"3.5: {WHOLE} 1 and at most 10000"),
        ("warmup_steps", -1, f"-1: {WHOLE} 0"),
        ("learning_rate", "fast", f"fast: {NUMBER} above 0 and at most 10.0"),
        ("ema", 1, f"1: {NUMBER} at least 0 and below 1"),
        ("flip", "perhaps", "perhaps: choose true or false"),
        ("optimizer", "adem", "adem: choose adam, adamw or sgd"),
        ("norm", None, "None: choose batch or group"),
        ("device", "gpu", "gpu: choose auto, cpu, cuda or cuda:N"),
        (
            "model",
            "U-Net",
            "U-Net: choose unet, or ARCHITECTURE:ENCODER such as deeplabv3plus:resnet50",
        ),
        ("size", "256", "256: write HEIGHTxWIDTH, each from 16 to 4096, such as 256x512"),
        ("data", 5, "5: give the path of a folder"),
        ("weights", 5, "5: choose none, imagenet or the path of a file"),
        ("title", 5, "5: give a text of at most 200 characters"),
        (
            "wandb_project",
            "a b",
            "'a b': use 1 to 128 letters, digits, dots, dashes and underscores",
        ),
    ],
)
def test_a_message_says_what_was_found_and_what_is_allowed(
    name: str, value: object, message: str
) -> None:
    assert refusal_of(**{name: value}) == f"{name} is {message}"


@pytest.mark.parametrize(("name", "below", "above"), [(b[0], *b[3:]) for b in BOUNDS])
def test_a_number_beyond_its_bounds_is_refused(
    name: str, below: float, above: float | None
) -> None:
    for value in (below, above):
        if value is not None:
            assert refusal_of(**{name: value}).startswith(f"{name} is {value}: it must be a ")


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf"])
def test_no_number_may_be_nan_or_infinite(name: str, value: object) -> None:
    assert refusal_of(**{name: value}).startswith(f"{name} is {value}: it must be a ")


@pytest.mark.parametrize("name", CHOICES)
def test_another_choice_is_refused_with_the_choices(name: str) -> None:
    message = refusal_of(**{name: "other"})
    assert message.startswith(f"{name} is other: choose ")
    assert all(choice in message for choice in choices_of(FIELDS[name]))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("256", "256"),
        ("256x", "256x"),
        ("axb", "axb"),
        ("1x2x3", "1x2x3"),
        ("-16x16", "-16x16"),
        ("", "''"),
        ((256,), "(256,)"),
        ((15, 16), "(15, 16)"),
        ("16x4097", "16x4097"),
        ("9" * 5000 + "x16", f"{'9' * 59}…"),
        (256, "256"),
        (None, "None"),
    ],
)
def test_a_size_of_another_form_is_refused(value: object, found: str) -> None:
    assert refusal_of(size=value).startswith(f"size is {found}: write HEIGHTxWIDTH, ")


def test_a_crop_of_another_form_is_refused() -> None:
    assert refusal_of(crop="8x64").startswith("crop is 8x64: write HEIGHTxWIDTH, ")


def test_a_setting_without_a_name_is_one_that_is_unknown() -> None:
    with pytest.raises(ConfigError, match="No setting is called '': "):
        make_config({"": 1})


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:-1", "cuda:٣", "cuda:999", "cpu\n"])
def test_other_devices_are_refused(device: str) -> None:
    shown = device if device.isprintable() and device else repr(device)
    assert refusal_of(device=device) == f"device is {shown}: choose auto, cpu, cuda or cuda:N"


@pytest.mark.parametrize("project", ["", "a b", "a/b", "x" * 129])
def test_a_project_that_weights_and_biases_would_refuse_is_refused(project: str) -> None:
    assert refusal_of(wandb_project=project).startswith("wandb_project is ")


def test_several_devices_are_not_one_of_them() -> None:
    assert refusal_of(device="cuda:1", devices=2).startswith(
        "The device cuda:1 is one, but devices is 2: choose 1"
    )


def test_each_device_needs_a_frame_of_every_batch() -> None:
    assert refusal_of(batch_size=2, devices=3).startswith(
        "Each of 3 devices needs a frame of every batch, but batch_size is 2: choose a larger"
    )


def test_a_title_has_at_most_200_characters() -> None:
    assert refusal_of(title="ü" * 201) == (
        f"title is {'ü' * 59}…: give a text of at most 200 characters"
    )


# Any setting, any value


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=15)  # of each field
@given(value=json_values)
@example(value="")
@example(value=[])
@example(value={})
@example(value="9" * 5000)
@example(value=10**400)
@example(value="\0")
@example(value="\ud800")
def test_a_value_is_accepted_or_refused_in_our_own_words(name: str, value: Any) -> None:
    try:
        make_config(BESIDE.get(name, {}) | {name: value})
    except ConfigError as error:
        message = str(error)
        assert message.startswith(f"{name} is ")
        assert not any(words in message for words in VALIDATORS_WORDS)
        assert len(message) < 250
        assert find_problems({name: value}).keys() <= {name, ""}
    else:
        assert name in BESIDE or not find_problems({name: value})


# Several settings


def test_an_unknown_setting_is_refused_with_the_one_that_is_meant() -> None:
    assert refusal_of(learning_rat=1) == (
        "No setting is called learning_rat: perhaps learning_rate is meant"
    )
    assert refusal_of(**{"batch-size": 1}) == (
        "No setting is called batch-size: perhaps batch_size is meant"
    )


def test_an_unknown_setting_unlike_any_is_refused_with_where_they_are_listed() -> None:
    assert refusal_of(xyz=1) == (
        "No setting is called xyz: python -m cityseg train --help lists them"
    )


def test_all_problems_are_in_one_message() -> None:
    message = refusal_of(epochs=0, size="8x9", unknown=1, loss="l2", flip="perhaps")
    assert message.count(". ") == 4
    for part in ("epochs is 0: ", "size is 8x9: ", "unknown", "loss is l2: ", "flip is perhaps: "):
        assert message.count(part) == 1


def test_problems_are_found_by_setting_as_sentences() -> None:
    found = find_problems({"epochs": "0", "learning_rate": "fast", "size": "8x9", "flip": True})
    assert found == {
        "epochs": "It must be a whole number, at least 1 and at most 10000.",
        "learning_rate": "It must be a number, above 0 and at most 10.0.",
        "size": "Write HEIGHTxWIDTH, each from 16 to 4096, such as 256x512.",
    }


def test_a_problem_of_several_settings_is_found_under_no_name() -> None:
    problems = find_problems({"crop": "512x512"})
    assert problems[""].startswith("The crop 512x512 is larger than the size 256x512, so part of ")
    assert problems[""].endswith("or a scale_max above 1.")


@pytest.mark.parametrize("also", [{}, {"model": "unet:resnet18", "start_from": "box"}])
def test_a_name_that_is_no_utf8_is_refused_as_any_other(also: dict[str, str]) -> None:
    assert r"from the weights \udcff" in refusal_of(weights="\udcff", **also)


def test_what_can_be_built_has_no_problems() -> None:
    assert find_problems({"epochs": "3", "crop": None}, "demo") == {}


def test_a_setting_that_json_cannot_hold_is_refused_from_a_file_as_from_a_flag() -> None:
    assert refusal_of(**json.loads('{"jitter": NaN}')).startswith("jitter is nan: ")
