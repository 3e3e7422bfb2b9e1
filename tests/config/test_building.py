"""A TrainConfig from a preset and values, from a file, and the learning rate of another batch."""

from pathlib import Path
from typing import Any

import pytest
from config_values import refusal_of

from cityseg.config import followed_rate, load_config, make_config
from cityseg.errors import ConfigError
from cityseg.presets import PRESETS


def test_values_override_the_preset() -> None:
    assert make_config({"epochs": 3}, "demo").epochs == 3


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    assert refusal_of("nonesuch") == (
        "No preset is called 'nonesuch': choose from " + ", ".join(PRESETS)
    )


# Files


def test_a_config_is_read_from_its_file(tmp_path: Path) -> None:
    config = make_config({"epochs": 3, "title": "Zürich"})
    (tmp_path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    assert load_config(tmp_path / "config.json") == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"epochs": ', "is not a readable configuration"),
        (b"\xff\xfe", "is not a readable configuration"),
        (b"[" * 100_000, "is not a readable configuration"),
        (b"[]", r"is not a configuration \(it is a list, not an object\)"),
        (b"null", r"is not a configuration \(it is null, not an object\)"),
        (b'{"epochs": 0}', "is not a valid configuration: epochs is 0: it must be"),
        (b'{"epochs": NaN}', "is not a valid configuration: epochs is nan: it must be"),
        (b'{"epoch": 1}', "No setting is called epoch: perhaps epochs is meant"),
    ],
    ids=lambda value: value[:20],
)
def test_a_file_that_holds_no_config_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "config.json")


# The learning rate and the batch size


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
def test_the_learning_rate_follows_the_batch_unless_it_is_given(
    values: dict[str, Any], expected: float
) -> None:
    assert make_config(values).learning_rate == expected


def test_the_learning_rate_starts_from_that_of_the_preset() -> None:
    assert make_config({"batch_size": 16}, "demo").learning_rate == 8e-3


def test_a_learning_rate_that_follows_stays_within_its_bounds() -> None:
    assert followed_rate(4, 1, 1000, "sgd") == 10
