"""The weights files of a run and their metadata, read without torch."""

import json
from pathlib import Path
from typing import Final, NamedTuple

import safetensors

from cityseg.config import TrainConfig, saved_config
from cityseg.errors import CheckpointError, CitysegError, ConfigError
from cityseg.runs.folder import RunDir

#: The format in the metadata of a weights file.
FORMAT: Final = "cityseg-weights-1"
#: What reading metadata of another form raises.
_FOREIGN: Final = (KeyError, ValueError, TypeError, AttributeError, RecursionError)


class About(NamedTuple):
    """The epoch of a weights file, from 1, and its mean IoU in validation, None if undefined."""

    epoch: int
    mean_iou: float | None


def kept_weights(run: RunDir) -> list[Path]:
    """The weights files of `run`: the best, then those of epochs, the newest first."""
    found = run.checkpoints.glob(f"*{run.best.suffix}")
    return sorted(found, key=lambda path: (path == run.best, len(path.name), path), reverse=True)


def own_dataset(network: Path) -> Path | None:
    """The dataset that a run's folder or a weights file was trained on; None if it names none.

    The folder need not exist. Damage is not reported: whatever loads the weights does that.
    """
    try:
        if network.is_dir():
            return RunDir(network).config().data
        with safetensors.safe_open(network, "np") as file:
            return Path(json.loads((file.metadata() or {})["config"])["data"])
    except (CitysegError, OSError, safetensors.SafetensorError, *_FOREIGN):
        return None


def read_about(path: Path) -> About:
    """Read the metadata of a weights file; raises CheckpointError if it is damaged or not ours.

    Damaged tensors are found only when they are loaded.
    """
    about = read_metadata(path)
    try:
        mean_iou = json.loads(about["scores"]).get("mean_iou")
        return About(int(about["epoch"]), None if mean_iou is None else float(mean_iou))
    except _FOREIGN as error:
        raise _of_another_version(path, error) from error


def read_config(path: Path) -> TrainConfig:
    """The settings in the metadata of a weights file; raises CheckpointError as `read_about`."""
    try:
        return saved_config(json.loads(read_metadata(path)["config"]))
    except (*_FOREIGN, ConfigError) as error:
        raise _of_another_version(path, error) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a weights file as it is written; raises CheckpointError as `read_about`."""
    try:
        with safetensors.safe_open(path, "np") as file:
            about: dict[str, str] = file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}): use another checkpoint"
        ) from error
    if about.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was not written by cityseg, as its metadata shows: use another checkpoint"
        )
    return about


def _of_another_version(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} was written by another version of cityseg ({error!r}): use that version"
    )
