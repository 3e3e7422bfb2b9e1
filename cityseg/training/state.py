"""The parts of a training step: assembled for a run, saved, and restored."""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cityseg.config import (
    EncoderWeights,
    TrainConfig,
    settings_without_effect,
    steps_of_epoch,
)
from cityseg.data import pixel_aspect_of
from cityseg.data.store import Store, StoreRow, open_store, rebuilt_frames
from cityseg.errors import CheckpointError, ConfigError, ModelError, TrainingError
from cityseg.geometry import placement_note, training_geometry
from cityseg.labels import NUM_CLASSES
from cityseg.models import model_of
from cityseg.models.devices import uses_bfloat16
from cityseg.models.weights import copy_fitting, without_head
from cityseg.review import Flagged
from cityseg.runs import RunDir, find_weights, survive_rename
from cityseg.runs.checkpoints import load_start, load_state, save_state
from cityseg.runs.checks import flagged_in_training, frames_of, no_labels, stores_of
from cityseg.runs.seen import record_seen
from cityseg.system import ProgressCallback, keep_freed_memory
from cityseg.training.averaging import average_of
from cityseg.training.batches import FrameSource
from cityseg.training.losses import Loss, build_loss
from cityseg.training.optimizers import build_optimizer
from cityseg.training.pasting import rare_classes
from cityseg.training.ranks import ALONE, Ranks

logger = logging.getLogger(__name__)

#: The bias of a class that is never predicted; half precision holds it, too.
_OFF: Final = -1e4


class StopError(Exception):
    """Ends the building of a frame store early."""


@dataclass(slots=True)
class Position:
    """How far a run is: what a resumed run continues from, apart from tensors."""

    epoch: int = 1
    step: int = 0  # finished steps of this epoch
    total_steps: int = 0
    loss_sum: float = 0.0  # over the finished steps of this epoch, weighted by frames
    frames: int = 0
    best_mean_iou: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Parts:
    """The parts of a training step: network, optimizer, loss and frames on their device."""

    config: TrainConfig
    device: torch.device
    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    train: FrameSource
    val: FrameSource
    train_frames: int
    val_names: list[str]
    amp: bool
    average: nn.Module | None = None  # of the weights over the steps; None without `ema`
    is_rare: Tensor | None = None  # of each train id, on the device; None without `copy_paste`
    position: Position = field(default_factory=Position)
    ranks: Ranks = ALONE
    connected: nn.Module | None = None  # `model`, with gradients of all ranks; None for one

    @property
    def kept(self) -> nn.Module:
        """The network to score and keep: the average if there is one."""
        return self.model if self.average is None else self.average

    @property
    def steps_of_epoch(self) -> int:
        """Steps in an epoch."""
        return steps_of_epoch(self.config, self.train_frames)

    def forward(self, inputs: Tensor, model: nn.Module | None = None) -> Tensor:
        """The logits (B, classes, H, W) of `model` for inputs (B, 3, H, W).

        `model` defaults to the network in training. Memory order and number format are those of the
        settings.
        """
        if self.config.channels_last:  # like the weights, or each layer would convert in between
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if model is None:
            model = self.model if self.connected is None else self.connected
        with torch.autocast(self.device.type, torch.bfloat16) if self.amp else nullcontext():
            logits: Tensor = model(inputs)
        return logits

    def diverged(self) -> TrainingError:
        """The error to raise if the loss or the weights are no longer finite."""
        return TrainingError(
            "nan_loss",
            f"The loss is no longer a number in epoch {self.position.epoch}, "
            f"step {self.position.step}",
            "choose a smaller learning rate, some warm-up steps or clip_norm 1",
        )


def assemble(run: RunDir, on_store: ProgressCallback | None, ranks: Ranks = ALONE) -> Parts:
    """The parts for training `run`, at the newest state that it has saved.

    Metric rows after that state are dropped: they are written again by the steps that follow it.
    `on_store` is called with (done, total) while frame stores are built; all ranks raise StopError
    if it does on one. Draws a new network from torch's generators, and sets them where a state is
    restored (see `torch_set_up`).
    """
    keep_freed_memory()
    config = run.config()
    device = ranks.device(config.device)
    state = load_state(run)
    if state is None and ranks.is_first:
        run.cut_metrics(0)
    train, val = _open_stores(run, config, on_store, ranks)
    model = new_model(config, device, weights="none" if state else config.weights)
    if state is None and config.start_from != "none":
        _start_from(config.start_from, model)
    if state is None:
        offer_classes(model, train.class_pixels, only_seen=config.classes == "seen")
    model = ranks.normalised_together(model)
    parts = Parts(
        config=config,
        device=device,
        model=model,
        optimizer=build_optimizer(config, model),
        loss=build_loss(config, train.class_pixels, device, ranks),
        train=FrameSource(train, device),
        val=FrameSource(val, device),
        train_frames=len(train),
        val_names=[row.frame for row in val.rows],
        amp=uses_bfloat16(config.amp, device),
        average=average_of(model) if config.ema else None,
        is_rare=rare_classes(train.class_pixels).to(device) if config.copy_paste else None,
        ranks=ranks,
    )
    if config.compile:
        model.compile()  # in place: the wrapper of torch.compile changes the names of weights
    if state:
        with _fitting(run):
            _restore(parts, state)
        if ranks.is_first:  # now that the state fits: rows that are cut do not come back
            _cut_metrics(run, state)
        at = parts.position
        logger.info("Resumed in epoch %d after step %d", at.epoch, at.step)
    if not ranks.is_alone:
        _connect(run, parts)
    if ranks.is_first:
        _record_seen(run, parts, is_resumed=state is not None)
        for note in settings_without_effect(config, parts.steps_of_epoch * config.epochs):
            logger.warning("%s", note)
    return parts


def _cut_metrics(run: RunDir, state: Mapping[str, Any]) -> None:
    """Drop the metric rows after `state`; what does not fit it is kept in a copy."""
    with _fitting(run):
        size: int = state["metrics_size"]
    checksum = state.get("metrics_checksum")
    if checksum is not None and run.metrics_checksum(size) != checksum:
        kept = run.metrics_file.with_name("metrics-found.jsonl")
        shutil.copyfile(run.metrics_file, kept)
        logger.warning(
            "%s is not as it was written (its checksum differs), or the training state is that of "
            "another run: curves and best scores may be wrong. The training does not read them. "
            "As it was found, it is kept as %s",
            run.metrics_file,
            kept.name,
        )
    run.cut_metrics(size)


def _connect(run: RunDir, parts: Parts) -> None:
    """Let the ranks of `parts` train together; raises CheckpointError or ConfigError."""
    config, ranks = parts.config, parts.ranks
    if config.batch_size < ranks.world:
        raise ConfigError(
            f"batch_size is {config.batch_size}, but {ranks.world} processes train together, and "
            "each needs a frame: choose a larger batch size or fewer processes"
        )
    seen = parts.position.total_steps, parts.train_frames, parts.val_names
    if any(other != seen for other in ranks.collected([seen])):
        raise CheckpointError(
            f"The processes that train {run.path} together found different states or frames: "
            "let all machines use the same run folder and the same dataset"
        )
    parts.connected = ranks.connected(parts.model, parts_rest=config.freeze_steps > 0)


def _record_seen(run: RunDir, parts: Parts, *, is_resumed: bool) -> None:
    """Record the frames of `parts`, and report what has changed since the last state."""
    train, val = parts.train.store, parts.val.store
    frames = {row.frame: _digest(row) for store in (train, val) for row in store.rows}
    epoch = parts.position.epoch if is_resumed else None
    rebuilt = {store.folder.name: rebuilt_frames(store.folder) for store in (train, val)}
    for change in record_seen(run, parts.config, frames, parts.device.type, epoch, rebuilt):
        logger.warning("%s", change)


def _digest(row: StoreRow) -> str:
    """A digest of the two files of a frame, and of what of them is ignored."""
    return row.image_digest[:16] + row.mask_digest[:16] + (row.ignored or "")


def _open_stores(
    run: RunDir, config: TrainConfig, on_store: ProgressCallback | None, ranks: Ranks
) -> list[Store]:
    """The stores of train and val. One rank of each machine builds them while the others wait."""
    stores: list[Store] = []
    for is_turn in (ranks.local == 0, ranks.local != 0):
        with ranks.agreeing(StopError):
            if is_turn:
                stores += [_open_store(run, config, split, on_store) for split in ("train", "val")]
    return stores


def _open_store(
    run: RunDir, config: TrainConfig, split: str, on_store: ProgressCallback | None
) -> Store:
    frames = frames_of(config, split)
    folder = stores_of(config, run.path.resolve().parent)
    pixels = pixel_aspect_of(config.data, config.masks_folder, frames)
    geometry = training_geometry(config, pixels.value)
    flagged = flagged_in_training(config, frames) if split == "train" else None
    ignored = flagged.ignored if flagged else {}
    if flagged:
        _report_flagged(flagged)
    store = open_store(frames, config.masks_folder, folder, geometry, ignored, progress=on_store)
    if not store.class_pixels[:-1].any():
        raise no_labels(config, split)
    logger.info("%s: %d frames in %s", split, len(store), store.folder)
    picture_hw = store.rows[0].picture_hw
    if split == "train" and picture_hw and (note := placement_note(geometry, picture_hw)):
        logger.info("%s", note)
    return store


def _report_flagged(flagged: Flagged) -> None:
    logger.info(
        "%d regions of %d frames are ignored: their labels are wrong by %s",
        *(flagged.count, len(flagged.regions), flagged.path),
    )
    for note in flagged.notes:
        logger.warning("%s", note)


def offer_classes(
    model: nn.Module, class_pixels: npt.NDArray[np.int64], *, only_seen: bool
) -> None:
    """Let `model` predict all classes, or only those that have pixels in training.

    Datasets such as CamVid lack some of the 19. A single pixel predicted as such a class makes its
    undefined IoU a 0 in the mean, by the rules of the official evaluator. With a very low bias it
    has the probability 0, and its bias no gradient. `class_pixels` are as of a store. Raises
    ModelError if the last layer has no bias.
    """
    bias = next(reversed(model.state_dict().values()))
    if only_seen and bias.shape != (NUM_CLASSES,):
        raise ModelError("The last layer of this network has no bias: choose classes all")
    with torch.no_grad():
        if bias.shape == (NUM_CLASSES,):  # those that the network before could not predict
            bias[never_predicted(model)] = 0
        if only_seen:
            bias[torch.from_numpy(class_pixels[:NUM_CLASSES] == 0)] = _OFF


def never_predicted(model: nn.Module) -> Tensor:
    """(19,) bool, on the device of `model`: the classes that it cannot predict."""
    bias: Tensor = next(reversed(model.state_dict().values()))
    if bias.shape != (NUM_CLASSES,):
        return torch.zeros(NUM_CLASSES, dtype=torch.bool, device=bias.device)
    return bias <= _OFF / 2


def _start_from(network: str | Path, model: nn.Module) -> None:
    """Copy the weights of a trained network into `model`, and list what does not fit.

    Raises CheckpointError if there are none, ModelError if nothing fits.
    """
    checkpoint, is_of_cityscapes = load_start(find_weights(network))
    tensors = checkpoint.weights if is_of_cityscapes else without_head(model, checkpoint.weights)
    found = copy_fitting(model, tensors)
    if not is_of_cityscapes:
        logger.warning("%s has other classes: the last layer starts at random", checkpoint.path)
    for what, names in (
        ("start at random", found.missing),
        (f"of {checkpoint.path} do not fit and are not used", found.unused),
    ):
        if names:
            logger.warning("%d tensors %s: %s", len(names), what, ", ".join(names))
    logger.info("Started from %s: %d tensors", checkpoint.path, len(found.loaded))


def new_model(config: TrainConfig, device: torch.device, weights: EncoderWeights) -> nn.Module:
    """The network of a run as it begins, on `device`, drawn from torch's generators."""
    model = model_of(config, weights=weights).to(device)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return model


def save(run: RunDir, parts: Parts) -> None:
    """Save the whole state; raises TrainingError, and saves nothing, if weights are not finite.

    Only the first rank does.
    """
    if not parts.ranks.is_first:
        return
    tensors = parts.model.state_dict()
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise parts.diverged()
    on_gpu = parts.device.type == "cuda"
    state = {
        "position": asdict(parts.position),
        "model": tensors,
        "average": parts.average.state_dict() if parts.average is not None else None,
        "optimizer": parts.optimizer.state_dict(),
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state(parts.device) if on_gpu else None,
        "metrics_size": run.metrics_size(),
        "metrics_checksum": run.metrics_checksum(),
    }
    survive_rename(run, lambda: save_state(run, state))


def _restore(parts: Parts, state: Mapping[str, Any]) -> None:
    parts.model.load_state_dict(state["model"])
    if parts.average is not None:
        parts.average.load_state_dict(state["average"])
    parts.optimizer.load_state_dict(state["optimizer"])
    parts.position = Position(**state["position"])
    torch.set_rng_state(state["torch_rng"])
    if state["cuda_rng"] is not None and parts.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda_rng"], parts.device)


@contextmanager
def _fitting(run: RunDir) -> Iterator[None]:
    """Raise CheckpointError for errors that come from a state of other settings."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"The training state in {run.checkpoints} does not fit {run.config_file}: "
            "undo what was changed there, or start a new run"
        ) from error
