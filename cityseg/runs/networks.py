"""NETWORK: what names a trained network wherever one is used.

`box` is the network that ships with cityseg; anything else is the path of a run's folder or of a
weights file. A path called box is written ./box.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from cityseg.config import TrainConfig, make_config, settings_that
from cityseg.errors import CheckpointError, ConfigError
from cityseg.presets import PRESETS
from cityseg.runs.folder import RunDir
from cityseg.runs.weights import read_config

BOX: Final = "box"
NO_NETWORK: Final = "none"
_FOLDER: Final = Path(str(files("cityseg.models"))) / BOX


def network_path(name: str) -> Path:
    """The path that `name`, as a person types it, stands for; raises CheckpointError for box."""
    return box_weights() if name == BOX else Path(name)


def box_weights() -> Path:
    """The weights file of the network in the box; raises CheckpointError if none ships."""
    found = sorted(_FOLDER.glob("*.safetensors"))
    if not found:
        raise CheckpointError(
            "No network ships with this version of cityseg: train one, or name a run's folder or a "
            "weights file"
        )
    return found[0]


def is_box(path: Path) -> bool:
    """Whether `path` is a file of the network in the box."""
    return path.parent == _FOLDER


def find_weights(network: str | Path) -> Path:
    """The weights file of a network: of the text "box", of a run's folder, or the file itself.

    Raises CheckpointError if the box is empty or the run has no weights.
    """
    if network == BOX:
        return box_weights()
    path = Path(network)
    if path.is_dir():
        best = RunDir(path).best
        if not best.is_file():
            raise CheckpointError(_without_weights(path, best.name))
        return best
    return path


def _without_weights(path: Path, name: str) -> str:
    """Why the folder `path` is no network."""
    config = RunDir(path).config_file.name
    if (path / config).is_file():
        return f"{path} has no {name}: train it for an epoch first"
    runs = sorted(found.parent for found in path.glob(f"*/{config}"))
    if runs:
        return f"{path} holds runs, and is none: name one of them, such as {runs[-1]}"
    weights = sorted(path.glob("*.safetensors"))
    if weights:
        return f"{path} is no run, but holds weights: name a file, such as {weights[0]}"
    return f"{path} is no run, as it has no {config}: name a run's folder or a weights file"


def inherited_settings(network: str | Path) -> dict[str, Any]:
    """The settings that a training started from `network` takes over: those of its architecture.

    Raises CheckpointError if its weights are missing, damaged or not ours.
    """
    path = find_weights(network)
    if not path.exists():
        raise CheckpointError(f"There is no network {path}: name a run's folder or a weights file")
    check_ours(path)
    config = read_config(path)
    return {name: getattr(config, name) for name in settings_that("shapes_network")}


def check_ours(path: Path) -> None:
    """Raise CheckpointError, which says what it is instead, if a file is none of our weights."""
    if path.suffix.lower() != ".safetensors":
        from cityseg.runs.foreign import why_foreign  # loads torch

        raise CheckpointError(why_foreign(path, path))


def started_config(values: Mapping[str, Any], preset: str = "reference") -> TrainConfig:
    """`make_config` with the settings that `start_from`, if it is among them, brings along.

    Raises ConfigError, also for a setting in `values` that it would have to change, and
    CheckpointError as `inherited_settings`.
    """
    network = values.get("start_from", PRESETS[preset].settings.get("start_from", NO_NETWORK))
    if network in (NO_NETWORK, "", None):
        return make_config(values, preset)
    inherited = inherited_settings(network)
    config = make_config({"weights": "none", **values, **inherited}, preset)
    check_inherited(network, inherited, values)
    return config


def check_inherited(
    network: object, inherited: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Raise ConfigError if `values` have a setting otherwise than `network` brings it along."""
    for name, brought in inherited.items():
        if name in values and str(values[name]) != str(brought):
            raise ConfigError(
                f"The network {network} brings {name} {brought} along, but {name} is "
                f"{values[name]}: leave {name} out, or do not start from it"
            )
