"""Flags for the settings of a training run, generated from the fields of TrainConfig."""

import argparse
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from cityseg.cli.options import OWN_LEDGER, REVIEW_HELP, ledger_of
from cityseg.cli.parser import Parser
from cityseg.config import RESUME_SETTINGS, TrainConfig, choices_of
from cityseg.defaults import default_root
from cityseg.errors import ConfigError
from cityseg.presets import PRESETS


def add_settings(parser: Parser) -> None:
    """Add `--preset`, and a flag for each setting; those not given are absent after parsing."""
    about = " ".join(f"{name}: {preset.why}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset", choices=PRESETS, help=f"Settings to start from [reference]. {about}"
    )
    for name, field in TrainConfig.model_fields.items():
        _add_setting(parser, name, field)


def add_resume_settings(parser: Parser) -> None:
    """Add a flag for each setting that a resumed run may be given."""
    for name in RESUME_SETTINGS:
        _add_setting(parser, name, TrainConfig.model_fields[name], default="the run's own")


def _add_setting(parser: Parser, name: str, field: FieldInfo, default: str = "") -> None:
    """A flag for one setting. Its value stays text: TrainConfig parses and checks it."""
    settings: dict[str, Any] = {"default": argparse.SUPPRESS, "help": _about(field, default)}
    if field.annotation is bool:
        settings["action"] = argparse.BooleanOptionalAction
    elif name == "review":
        settings |= {"nargs": "?", "const": OWN_LEDGER, "metavar": "LEDGER"}
        settings["help"] += REVIEW_HELP
    elif choices := choices_of(field):
        settings["metavar"] = "{" + ",".join(choices) + "}"
    else:
        settings["metavar"] = name.split("_")[-1].upper()
    parser.add_argument(_flag(name), **settings)


def _flag(name: str) -> str:
    """The flag of a setting."""
    return f"--{name.replace('_', '-')}"


def _about(field: FieldInfo, named: str = "") -> str:
    """The help of a setting, with the `named` default or its own where that is not in it."""
    about = (field.description or "").removesuffix(".")
    if named:
        return f"{about.partition(' [')[0]} [{named}]."
    default = field.get_default()
    if default in (None, "") or field.default_factory:
        return f"{about}."
    shown = "x".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{about} [{shown}]."


def chosen_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as they were typed; a ledger without a name by its path."""
    given = {name: vars(options)[name] for name in TrainConfig.model_fields if name in options}
    if given.get("review") == OWN_LEDGER:
        data = given.get("data") or default_root()
        given["review"] = ledger_of(Path(data), options.runs)
    return given


def resume_changes(options: argparse.Namespace) -> dict[str, Any]:
    """The settings given for a run to resume; raises ConfigError for those that it must keep."""
    given = chosen_settings(options)
    names = [*given, *(["preset"] if vars(options).get("preset") else [])]
    if kept := [name for name in names if name not in RESUME_SETTINGS]:
        changeable = ", ".join(map(_flag, RESUME_SETTINGS))
        raise ConfigError(
            f"A resumed run keeps its own settings: leave {_flag(kept[0])} out. Only "
            f"{changeable} can be given with it"
        )
    return given


def chosen_config(options: argparse.Namespace) -> TrainConfig:
    """The settings of the preset, the flags and the network to start from; raises CitysegError."""
    from cityseg.runs import started_config

    return started_config(chosen_settings(options), options.preset or "reference")
