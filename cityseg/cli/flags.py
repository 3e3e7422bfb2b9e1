"""Flags for the settings of a training run, generated from the fields of TrainConfig."""

import argparse
from typing import Any

from pydantic.fields import FieldInfo

from cityseg.cli.parser import Parser
from cityseg.config import TrainConfig, choices_of, make_config
from cityseg.presets import PRESETS


def add_settings(parser: Parser) -> None:
    """Add `--preset`, and a flag for each setting; those not given are absent after parsing."""
    about = " ".join(f"{name}: {preset.why}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset", choices=PRESETS, help=f"Settings to start from [reference]. {about}"
    )
    for name, field in TrainConfig.model_fields.items():
        _add_setting(parser, name, field)


def _add_setting(parser: Parser, name: str, field: FieldInfo) -> None:
    """A flag for one setting. Its value stays text: TrainConfig parses and checks it."""
    settings: dict[str, Any] = {"default": argparse.SUPPRESS, "help": _about(field)}
    if field.annotation is bool:
        settings["action"] = argparse.BooleanOptionalAction
    elif choices := choices_of(field):
        settings["metavar"] = "{" + ",".join(choices) + "}"
    else:
        settings["metavar"] = name.split("_")[-1].upper()
    parser.add_argument(f"--{name.replace('_', '-')}", **settings)


def _about(field: FieldInfo) -> str:
    """The help of a setting, with its default where the description does not say it."""
    about = (field.description or "").removesuffix(".")
    default = field.get_default()
    if default in (None, "") or field.default_factory:
        return f"{about}."
    shown = "x".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{about} [{shown}]."


def chosen_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as they were typed."""
    return {name: vars(options)[name] for name in TrainConfig.model_fields if name in options}


def chosen_config(options: argparse.Namespace) -> TrainConfig:
    """The settings of the preset and the flags together; raises ConfigError."""
    return make_config(chosen_settings(options), options.preset or "reference")
