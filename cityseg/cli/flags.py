"""Flags for the settings of a training run, made of the fields of TrainConfig."""

import argparse
from collections.abc import Callable
from typing import Any, get_args

from cityseg.config import TrainConfig, make_config
from cityseg.presets import PRESETS


def chosen_config(options: argparse.Namespace) -> TrainConfig:
    """The settings that the flags stand for; raises ConfigError."""
    return make_config(chosen_settings(options), options.preset or "reference")


def chosen_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as they were typed."""
    fields = TrainConfig.model_fields
    return {name: getattr(options, name) for name in fields if hasattr(options, name)}


def add_settings(add: Callable[..., Any]) -> None:
    """A flag for each setting, and one for the preset, by a parser's `add_argument`."""
    about = " ".join(f"{name}: {preset.why}" for name, preset in PRESETS.items())
    add("--preset", choices=PRESETS, help=f"settings to start from [reference]. {about}")
    for name, field in TrainConfig.model_fields.items():
        _add_setting(add, name, field)


def _add_setting(add: Callable[..., Any], name: str, field: Any) -> None:
    """A flag for one field of TrainConfig; TrainConfig itself parses and checks what is given."""
    flag, settings = f"--{name.replace('_', '-')}", {"default": argparse.SUPPRESS}
    shown = "x".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    told = field.is_required() or field.default_factory or shown in (None, "")
    about = field.description if told else f"{field.description} [{shown}]"
    if field.annotation is bool:
        add(flag, action=argparse.BooleanOptionalAction, help=about, **settings)
    else:
        choices = [str(choice) for choice in get_args(field.annotation)]
        literal = "Literal" in str(field.annotation)
        metavar = "{" + ",".join(choices) + "}" if literal else name.split("_")[-1].upper()
        add(flag, metavar=metavar, help=about, **settings)
