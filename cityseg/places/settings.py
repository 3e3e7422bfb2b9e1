"""places.toml: the clusters that a person may use, each a section with its settings.

    [slurm]
    partition = "gpu"
    hours = 24

    [ray]
    address = "http://ray.example.org:8265"

An empty section is enough for Slurm. The file is named by $CITYSEG_CONFIG, or lies in
~/.config/cityseg. It has no secrets: the token of Ray is where Ray's own tools look for it.
"""

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from cityseg.errors import ConfigError
from cityseg.system import SMALL, FileModel, JsonError, parse_as, read_regular_file

CONFIG_VARIABLE: Final = "CITYSEG_CONFIG"
#: The place that needs no settings: this machine.
LOCAL: Final = "local"
#: All places, in the order in which they are offered.
PLACES: Final = (LOCAL, "slurm", "ray")

_Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$")]
_Number = Annotated[int, Field(ge=0, le=1 << 20)]


class SlurmSettings(FileModel):
    """The section [slurm]: options of sbatch. What is empty or 0 is left to the cluster."""

    partition: _Text = ""
    account: _Text = ""
    qos: _Text = ""
    constraint: _Text = ""
    gpus: _Number = 1  # for each device of a run, all of them on one node
    cpus: _Number = 0  # for each device
    memory_gb: _Number = 0
    hours: Annotated[float, Field(gt=0, le=10_000)] = 24.0
    #: Seconds before the time limit, at which a run saves its state and queues up again.
    signal_seconds: Annotated[int, Field(ge=10, le=65_535)] = 120
    #: How often a run may queue up again after its time limit.
    requeues: _Number = 20
    #: Further options of sbatch, without their dashes.
    sbatch: dict[_Text, _Text | int | bool] = Field(default_factory=dict)


class RaySettings(FileModel):
    """The section [ray]: where its dashboard listens, and what is reserved for a run."""

    address: Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/[^\s]*)?$")]
    gpus: Annotated[float, Field(ge=0, le=1024)] = 1.0  # for each device of a run
    cpus: Annotated[float, Field(ge=0, le=1 << 20)] = 1.0  # for each device
    memory_gb: Annotated[float, Field(ge=0, le=1 << 20)] = 0.0
    #: The interpreter with cityseg on the cluster's machines; empty: the path of this one.
    python: _Text = ""


class Places(FileModel):
    """The content of places.toml."""

    slurm: SlurmSettings | None = None
    ray: RaySettings | None = None

    def not_configured(self, name: str) -> ConfigError:
        """The error for a place without a section."""
        return ConfigError(
            f"{settings_file()} has no section [{name}]: add one to run jobs there, or choose "
            f"{' or '.join((LOCAL, *self.model_dump(exclude_none=True)))}"
        )


def settings_file() -> Path:
    """$CITYSEG_CONFIG, or the file places.toml in ~/.config/cityseg."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named or "~/.config/cityseg/places.toml").expanduser()


def configured_places() -> list[str]:
    """The names of the places with a section; raises ConfigError."""
    places = read_places()
    return [name for name in PLACES if name in places.model_dump(exclude_none=True)]


def read_places() -> Places:
    """The settings of all places; none without the file. Raises ConfigError."""
    file = settings_file()
    try:
        found = tomllib.loads(read_regular_file(file, SMALL).decode())
    except FileNotFoundError:
        if os.environ.get(CONFIG_VARIABLE):
            raise ConfigError(
                f"There is no file {file}, which ${CONFIG_VARIABLE} names: correct the variable"
            ) from None
        return Places()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): check the file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no text in UTF-8: save it as such") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML ({error}): correct it") from error
    return _validated(file, found)


def _validated(file: Path, found: dict[str, Any]) -> Places:
    _check_names(file, "a section", "", found, Places)
    for name, model in (("slurm", SlurmSettings), ("ray", RaySettings)):
        if isinstance(section := found.get(name), dict):
            _check_names(file, "a setting", f"[{name}] ", section, model)
    try:
        # Dates, the only values of TOML that JSON lacks, are no settings: they become texts.
        return parse_as(json.dumps(found, default=str), Places)
    except JsonError as error:
        raise ConfigError(f"{file} cannot be used ({error}): correct it") from error


def _check_names(
    file: Path, what: str, place: str, found: dict[str, Any], model: type[FileModel]
) -> None:
    """Raise ConfigError for a name that `model` does not have: a mistyped one would be ignored."""
    if unknown := sorted(found.keys() - model.model_fields.keys()):
        raise ConfigError(
            f"{file} has {what} {place}{unknown[0]}, which is not known: choose from "
            f"{', '.join(model.model_fields)}"
        )
