"""The card of a network: the command that trains it again, and a table of its scores."""

import shlex
from pathlib import Path
from typing import Any

import boxes
import pytest

from cityseg.cli.flags import add_settings, chosen_config
from cityseg.cli.parser import Parser
from cityseg.config import make_config
from cityseg.runs import CardScores, network_card, train_command

STREET = make_config({"data": "/secret/data", "store": "/secret/store", "seed": 7}, "street")


@pytest.mark.parametrize(
    ("settings", "preset", "flags"),
    [
        ({}, "reference", ""),
        ({"epochs": 3, "size": (64, 128)}, "reference", "--size 64x128 --epochs 3"),
        ({}, "street", "--preset street"),
        ({"flip": False, "amp": "off"}, "street", "--preset street --no-flip --amp off"),
        ({"start_from": Path("/secret/run")}, "demo", "--preset demo --start-from NETWORK"),
    ],
)
def test_the_command_has_what_differs_from_the_nearest_preset(
    settings: dict[str, Any], preset: str, flags: str
) -> None:
    command = train_command(make_config({"data": "/secret"} | settings, preset))
    assert sorted(command.split()) == sorted(f"python -m cityseg train --data DATA {flags}".split())


def test_the_command_trains_with_the_same_settings() -> None:
    config = make_config({"flip": False, "crop": "128x256", "ema": 0.9}, "street")
    parser = Parser()
    add_settings(parser)
    read = chosen_config(parser.parse_args(shlex.split(train_command(config))[4:]))
    assert read == config.model_copy(update={"data": Path("DATA")})


def card(*scores: CardScores) -> str:
    return network_card(
        "A network", STREET, 5, scores, data="Frames", licence="None", limits="Some."
    )


def test_the_card_names_the_training_but_no_folder() -> None:
    text = card(CardScores("val", boxes.SCORES))
    for part in ("# A network", "--seed 7", "512×256", "320×192", "5 of 40", "Some."):
        assert part in text
    assert "secret" not in text


def test_each_set_of_scores_is_a_column() -> None:
    lines = card(CardScores("one", boxes.SCORES), CardScores("two", boxes.SCORES)).splitlines()
    assert "| Score | one | two |" in lines
    assert "| **Mean IoU** | 0.500 | 0.500 |" in lines
    assert "| road | 0.500 | 0.500 |" in lines
    assert "| train | – | – |" in lines
