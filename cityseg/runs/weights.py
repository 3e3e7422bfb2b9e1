"""The weights files of a run and their metadata, read without torch."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import safetensors

from cityseg.config import TrainConfig, saved_config
from cityseg.errors import CheckpointError, CitysegError, ConfigError
from cityseg.runs.folder import RunDir
from cityseg.system import Count, FileModel, JsonError, check_regular, parse_as

#: The format in the metadata of a weights file.
FORMAT: Final = "cityseg-weights-1"
#: Fifty times what the largest encoders need.
_MOST_HEADER_BYTES: Final = 1 << 24


class WeightsScores(FileModel):
    """Of the scores in the metadata of weights, what is shown."""

    mean_iou: float | None = None
    pixel_accuracy: float | None = None
    class_iou: dict[str, float | None] | None = None


class _OwnDataset(FileModel):
    data: str


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

    The folder need not exist. Of a run whose config.json is damaged, its weights say it. Damage is
    not reported: whatever loads the weights does that.
    """
    if network.is_dir():
        run = RunDir(network)
        with suppress(CitysegError):
            return run.config().data
        network = run.best
    try:
        return Path(parse_as(_read_header(network)["config"], _OwnDataset).data)
    except (CitysegError, OSError, safetensors.SafetensorError, KeyError, JsonError):
        return None


def read_about(path: Path) -> About:
    """Read the metadata of a weights file; raises CheckpointError if it is damaged or not ours.

    Damaged tensors are found only when they are loaded.
    """
    about = read_metadata(path)
    try:
        scores = parse_as(about["scores"], WeightsScores)
        return About(parse_as(about["epoch"], Count), scores.mean_iou)
    except (KeyError, JsonError) as error:
        raise of_another_version(path, error) from error


def read_scores(path: Path) -> dict[str, Any]:
    """The scores in the metadata of a weights file; raises CheckpointError as `read_about`."""
    try:
        return parse_as(read_metadata(path)["scores"], WeightsScores).model_dump(exclude_unset=True)
    except (KeyError, JsonError) as error:
        raise of_another_version(path, error) from error


def read_config(path: Path) -> TrainConfig:
    """The settings in the metadata of a weights file; raises CheckpointError as `read_about`."""
    try:
        return saved_config(parse_as(read_metadata(path)["config"], dict[str, object]))
    except (KeyError, JsonError, ConfigError) as error:
        raise of_another_version(path, error) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a weights file as it is written; raises CheckpointError as `read_about`."""
    if path.is_file() and path.suffix.lower() != ".safetensors":
        raise CheckpointError(
            f"{path} is no weights file of cityseg: name a run's folder or a .safetensors file"
        )
    try:
        about = _read_header(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}): use another checkpoint"
        ) from error
    if about.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was not written by cityseg, as its metadata shows: use another checkpoint"
        )
    return about


def _read_header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; raises OSError or SafetensorError."""
    check_header(path)
    with safetensors.safe_open(path, "np") as file:
        return dict(file.metadata() or {})


def check_header(path: Path) -> None:
    """Raise SafetensorError if the header is larger than that of any network, or OSError.

    The library would read up to 100 MB of names.
    """
    check_regular(path)
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > _MOST_HEADER_BYTES:
        raise safetensors.SafetensorError(f"its header has {size:,} bytes")


def of_another_version(path: Path, error: Exception) -> CheckpointError:
    """The error for a weights file with the metadata of cityseg, but not those of this version."""
    found = f"its metadata have no {error}" if isinstance(error, KeyError) else error
    return CheckpointError(
        f"{path} was written by another version of cityseg ({found}): use that version"
    )
