"""What would end a training before its first step, found before its run exists.

Names, headers and single files are read, but no frame is decoded and no torch is loaded unless the
settings name an encoder, a GPU or batches of one frame. ImageNet weights are downloaded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cityseg.config import TrainConfig
from cityseg.data import (
    Frame,
    decode_mask,
    find_frames,
    missing_splits_message,
    part_of_frames,
    read_exclusion,
)
from cityseg.data.store import count_pairs
from cityseg.errors import CitysegError, ConfigError, StoreError
from cityseg.labels import IGNORE
from cityseg.review import Flagged, read_flagged
from cityseg.runs.networks import check_inherited, inherited_settings
from cityseg.system import check_output_folder

_SPLITS: Final = ("train", "val")


def stores_of(config: TrainConfig, runs: Path) -> Path:
    """The folder of the frame stores of a run of `config` in the folder `runs`."""
    return config.store or runs / ".store"


def check_start(config: TrainConfig, stores: Path) -> None:
    """Raise CitysegError for what would end a new training of `config` before its first step.

    `stores` is the folder of its frame stores. Creates nothing there.
    """
    if config.start_from != "none":
        inherited = inherited_settings(config.start_from)  # of weights that can be read
        check_inherited(config.start_from, inherited, dict(config))
    train_frames = check_data(config, stores)
    least = min(config.batch_size, train_frames)
    if config.devices > 1:
        from cityseg.models.devices import resolve_device

        if resolve_device(config.device).type == "cpu":  # each process has its own batch norms
            least = max(1, least // config.devices)
    if config.model == "unet" and least > 1:
        return  # without an encoder by name, and with batches that suit batch norm
    from cityseg.models.registry import check_batch, check_network

    check_network(config)
    if least == 1:
        check_batch(config, 1)


def check_data(config: TrainConfig, stores: Path) -> int:
    """Check what of a machine `config` names: dataset, masks, store and device.

    Returns the number of training frames with a mask. Raises CitysegError, and creates nothing.
    """
    counts = [_check_split(config, split) for split in _SPLITS]
    flagged_in_training(config, ())  # its ledger can be read
    check_output_folder(stores)
    if config.device.startswith("cuda"):
        from cityseg.models.devices import resolve_device

        resolve_device(config.device)
    return counts[0]


def frames_of(config: TrainConfig, split: str) -> list[Frame]:
    """The frames of `split` in the dataset of `config`, without those that it excludes.

    Raises ConfigError if there are none.
    """
    frames = find_frames(config.data, [split], masks=config.masks_folder)
    if not frames:
        raise ConfigError(
            f"{config.data} has no {split} frames: training needs frames in train and in val"
            f"{missing_splits_message(config.data, [split], masks=config.masks_folder)}"
        )
    kept = used_frames(config, frames)
    if not kept:
        raise ConfigError(f"{config.exclude} leaves no {split} frame: remove names from it")
    return kept


def used_frames(config: TrainConfig, frames: Sequence[Frame]) -> list[Frame]:
    """Those of `frames` that a training of `config` uses, in their order.

    `frames` has all training frames of the dataset or none: they decide the folds. Raises
    ConfigError if the list of excluded frames cannot be read, or there is no such fold.
    """
    left_out = {frame.name for frame in held_out(config, frames)}
    kept = read_exclusion(config.exclude).without(frames) if config.exclude else list(frames)
    return [frame for frame in kept if frame.name not in left_out]


def flagged_in_training(config: TrainConfig, frames: Sequence[Frame]) -> Flagged | None:
    """The regions of training frames that the review of `config` ignores; None without a review.

    Of those among `frames`. Raises ReviewError if there is no such ledger.
    """
    return read_flagged(config.review, frames, "train") if config.review else None


def held_out(config: TrainConfig, frames: Sequence[Frame]) -> list[Frame]:
    """The training frames among `frames` that the fold of `config` leaves out."""
    train = [frame for frame in frames if frame.split == "train"]
    return part_of_frames(train, config.fold) if config.fold and train else []


def no_labels(config: TrainConfig, split: str) -> ConfigError:
    """The error to raise if no mask of `split` has a pixel of a class."""
    return ConfigError(
        f"No mask of {split} in {config.masks_folder} has a pixel of a class, "
        "so nothing can be learned or scored: check the annotations and convert again"
    )


def _check_split(config: TrainConfig, split: str) -> int:
    frames = frames_of(config, split)
    count = count_pairs(frames, config.masks_folder)
    if not count:
        raise StoreError(
            f"None of {len(frames)} {split} frames has a mask below {config.masks_folder}: "
            "convert them first (python -m cityseg convert), or name the folder of the masks"
        )
    # Of usual datasets this reads one mask.
    if not any(_has_labels(frame.mask(config.masks_folder)) for frame in frames):
        raise no_labels(config, split)
    return count


def _has_labels(mask: Path) -> bool:
    """Whether a mask has a pixel of a class; true if it is damaged, which is reported later."""
    try:
        return bool((decode_mask(mask.read_bytes(), mask) != IGNORE).any())
    except FileNotFoundError:
        return False
    except (OSError, CitysegError):
        return True
