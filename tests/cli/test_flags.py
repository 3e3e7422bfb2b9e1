"""Each setting of a run as a flag of `train` and `jobs start`."""

import argparse
from pathlib import Path

import pytest

from cityseg.cli.flags import add_settings, chosen_config, chosen_settings
from cityseg.cli.parser import Parser
from cityseg.config import TrainConfig, make_config


def parse(*arguments: str) -> argparse.Namespace:
    parser = Parser(prog="x", add_arguments=add_settings)
    options: argparse.Namespace = parser.parse_args(arguments)
    return options


@pytest.mark.parametrize("field", TrainConfig.model_fields)
def test_each_setting_has_a_flag_with_its_help(
    field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    assert f"--{field.replace('_', '-')}" in capsys.readouterr().out


def test_only_what_was_given_is_a_setting() -> None:
    assert chosen_settings(parse()) == {}
    given = parse("--batch-size", "3", "--flip", "--no-compile")
    assert chosen_settings(given) == {"batch_size": "3", "flip": True, "compile": False}


def test_a_review_without_a_ledger_is_that_of_the_dataset(tmp_path: Path) -> None:
    def ledger(*arguments: str) -> object:
        options = parse(*arguments)
        options.runs = tmp_path / "lab" / "runs"
        return chosen_settings(options)["review"]

    data = str(tmp_path / "city")
    assert ledger("--data", data, "--review") == str(tmp_path / "lab" / "reviews" / "city.jsonl")
    assert ledger("--review", "mine.jsonl", "--data", data) == "mine.jsonl"


def test_flags_change_the_preset() -> None:
    options = parse("--preset", "fast", "--epochs", "3")
    assert chosen_config(options) == make_config({"epochs": 3}, "fast")


def test_the_help_names_choices_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "--norm {batch,group}" in said
    assert "[256x512]." in said
    assert "--wandb-project PROJECT" in said
