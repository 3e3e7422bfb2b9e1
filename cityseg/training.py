"""The training loop. The run folder is the only thing it writes, and the only thing it reads back.

Everything random comes from (seed, epoch, position) or from generators saved with the state, so
that a run that was killed and resumed ends with the same weights as one that was not (bit for bit
on the CPU).
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from cityseg.augment import augment, epoch_order, epoch_views, normalise
from cityseg.batches import FrameSource
from cityseg.checkpoints import load_state, save_state, save_weights
from cityseg.config import TrainConfig
from cityseg.dataset import find_frames
from cityseg.errors import ConfigError, TrainingError
from cityseg.failures import explained
from cityseg.labels import CLASS_NAMES, IGNORE, NUM_CLASSES
from cityseg.losses import Loss, build_loss
from cityseg.metrics import Scores, scores_from_train_confusion
from cityseg.models import build_model
from cityseg.runs import RunDir
from cityseg.store import Progress, open_store
from cityseg.tracking import Panel, Tracker, start_tracking

logger = logging.getLogger(__name__)

#: Steps between two training rows; each costs one wait for the device.
LOG_EVERY: Final = 10
_PANELS: Final = 4

Row = dict[str, Any]


@dataclass(slots=True)
class Position:
    """Where a run stands: what a resumed run goes on from, apart from the tensors."""

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
    """What a step works with."""

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
    position: Position = field(default_factory=Position)

    @property
    def steps_of_epoch(self) -> int:
        """Steps in an epoch; a last batch of one frame is left out: batch norm cannot take it."""
        full, rest = divmod(self.train_frames, self.config.batch_size)
        return full + (rest > 1 or (rest == 1 and full == 0))

    def autocast(self) -> torch.autocast | nullcontext[None]:
        """The number format of forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.amp else nullcontext()


def train(
    run: RunDir,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_row: Callable[[Row], None] = lambda row: None,
    on_store: Progress | None = None,
) -> Row:
    """Train `run` from where it stands to its end, and return its summary.

    The caller holds the run's lock. `should_stop` is asked after each step; when it says so, the
    state is saved and the summary's status is "stopped". `on_row` sees each row of metrics.jsonl,
    `on_store` the building of the frame store.

    Raises TrainingError, ConfigError, StoreError, DatasetError, ModelError or CheckpointError;
    the last good checkpoint is then intact.
    """
    config = run.config()
    with explained():
        parts = _prepare(config, run, on_store)
        _restore(run, parts)
        tracker = start_tracking(
            config.wandb,
            run_id=run.id,
            name=config.title or run.id,
            folder=run.path,
            config=config.model_dump(mode="json"),
            project=config.wandb_project,
        )
        summary: Row = {"status": "failed"}
        try:
            summary = _loop(run, parts, tracker, should_stop, on_row)
        finally:
            scores = {k: v for k, v in summary.items() if isinstance(v, int | float)}
            tracker.finish(scores, exit_code=summary["status"] == "failed")
    return summary


def _loop(
    run: RunDir,
    parts: Parts,
    tracker: Tracker,
    should_stop: Callable[[], bool],
    on_row: Callable[[Row], None],
) -> Row:
    config, at = parts.config, parts.position
    started, saved = time.monotonic() - at.seconds, time.monotonic()

    def record(row: Row) -> None:
        run.append_metrics(row)
        on_row(row)

    while at.epoch <= config.epochs and not _has_stalled(config, at):
        order = epoch_order(parts.train_frames, config.seed, at.epoch)
        views = epoch_views(parts.train_frames, config, at.epoch)
        first, last = at.step * config.batch_size, parts.steps_of_epoch * config.batch_size
        epoch_started = time.monotonic()
        parts.model.train()
        losses: list[tuple[Tensor, int]] = []
        for images, masks in parts.train.batches(order[first:last], config.batch_size):
            positions = slice(
                at.step * config.batch_size, at.step * config.batch_size + len(images)
            )
            inputs, truth = augment(images, masks, views, positions, config.crop_hw)
            losses.append((_step(parts, inputs, truth), len(images)))
            at.step, at.total_steps = at.step + 1, at.total_steps + 1
            at.seconds = time.monotonic() - started
            stopping = should_stop()
            due = time.monotonic() - saved > 60 * config.checkpoint_minutes
            if stopping or due or at.step % LOG_EVERY == 0 or at.step == parts.steps_of_epoch:
                loss = _settle(at, losses)
                record(_training_row(parts, loss))
                tracker.log({"train_loss": loss}, at.total_steps, fine=True)
            if stopping or due:
                _save(run, parts)
                saved = time.monotonic()
            if stopping:
                return _summary(run, parts, "stopped")
        scores, val_loss, panels = _validate(parts)
        row = _epoch_row(parts, scores, val_loss, time.monotonic() - epoch_started)
        record(row)
        tracker.log({k: v for k, v in row.items() if isinstance(v, float)}, at.total_steps)
        tracker.log_class_iou(scores.class_iou, at.total_steps)
        tracker.log_predictions(panels, at.total_steps)
        _keep_weights(run, parts, row)
        at.epoch, at.step, at.loss_sum, at.frames = at.epoch + 1, 0, 0.0, 0
        _save(run, parts)
        saved = time.monotonic()
    return _summary(run, parts, "done")


def _step(parts: Parts, inputs: Tensor, truth: Tensor) -> Tensor:
    """One update; returns the loss without waiting for it."""
    config = parts.config
    steps = parts.steps_of_epoch * config.epochs
    for group in parts.optimizer.param_groups:
        group["lr"] = learning_rate(config, parts.position.total_steps, steps)
    if config.channels_last:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with parts.autocast():
        loss = parts.loss(parts.model(inputs), truth)
    parts.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if config.clip_norm:
        nn.utils.clip_grad_norm_(parts.model.parameters(), config.clip_norm)
    parts.optimizer.step()
    return loss.detach()


@torch.inference_mode()
def _validate(parts: Parts) -> tuple[Scores, float, list[Panel]]:
    """Scores over the validation frames at training size, mean loss a pixel, sample pictures."""
    parts.model.eval()
    confusion = torch.zeros(NUM_CLASSES * NUM_CLASSES, dtype=torch.int64, device=parts.device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=parts.device)
    pixels = torch.zeros((), dtype=torch.int64, device=parts.device)
    count, position, panels = len(parts.val_names), 0, []
    wanted = set(np.linspace(0, count - 1, min(_PANELS, count)).astype(int).tolist())
    for images, masks in parts.val.batches(np.arange(count), parts.config.batch_size):
        inputs, truth = normalise(images.permute(0, 3, 1, 2).float() / 255), masks.long()
        if parts.config.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with parts.autocast():
            logits = parts.model(inputs)
        predicted, valid = logits.argmax(1), truth != IGNORE
        loss_sum += parts.loss(logits, truth).double() * valid.sum()
        pixels += valid.sum()
        confusion += torch.bincount(
            truth[valid] * NUM_CLASSES + predicted[valid], minlength=NUM_CLASSES * NUM_CLASSES
        )
        for index in sorted(wanted & set(range(position, position + len(images)))):
            arrays = (images, masks, predicted.to(torch.uint8))
            shown = (tensor[index - position].cpu().numpy() for tensor in arrays)
            panels.append(Panel(parts.val_names[index], *shown))
        position += len(images)
    val_loss = float(loss_sum / pixels.clamp_min(1))
    matrix = confusion.view(NUM_CLASSES, NUM_CLASSES).cpu().numpy()
    return scores_from_train_confusion(matrix), val_loss, panels


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of one step, counted from 0, in a run of `steps`."""
    peak, warmup = config.learning_rate, min(config.warmup_steps, max(steps - 1, 0))
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    if config.schedule == "cosine":
        return peak * (1 + math.cos(math.pi * progress)) / 2
    if config.schedule == "poly":
        return float(peak * (1 - progress) ** 0.9)
    return peak


def resolve_device(name: str) -> torch.device:
    """The device that "auto", "cpu", "cuda" or "cuda:N" stands for here; raises ConfigError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device is {name!r}, but {torch.cuda.device_count()} CUDA devices are here: choose cpu"
        )
    return device


# --- before the loop -------------------------------------------------------------------------


def _prepare(config: TrainConfig, run: RunDir, on_store: Progress | None) -> Parts:
    device = resolve_device(config.device)
    stores = {}
    for split in ("train", "val"):
        frames = find_frames(config.data, [split])
        if not frames:
            raise ConfigError(f"{config.data} has no {split} frames: training needs both splits")
        folder = config.store or run.path.parent / ".store"
        stores[split] = open_store(
            frames, config.masks_folder, folder, config.size, progress=on_store
        )
        logger.info("%s: %d frames in %s", split, len(stores[split]), stores[split].folder)
    torch.manual_seed(config.seed)
    torch.backends.cudnn.benchmark = True
    model = build_model(
        config.model, width=config.width, num_classes=NUM_CLASSES, weights=config.weights
    ).to(device)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if config.compile:
        model.compile()
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return Parts(
        config=config,
        device=device,
        model=model,
        optimizer=_build_optimizer(config, model, device),
        loss=build_loss(config, stores["train"].class_pixels, device),
        train=FrameSource(stores["train"], device),
        val=FrameSource(stores["val"], device),
        train_frames=len(stores["train"]),
        val_names=[row.frame for row in stores["val"].rows],
        amp=config.amp == "bf16" or (config.amp == "auto" and bf16),
    )


def _build_optimizer(
    config: TrainConfig, model: nn.Module, device: torch.device
) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]  # norms and biases: no weight decay
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=device.type == "cuda")


# --- state -----------------------------------------------------------------------------------


def _save(run: RunDir, parts: Parts) -> None:
    """Save the whole state, unless it is no longer worth keeping."""
    if not all(bool(p.isfinite().all()) for p in parts.model.parameters()):
        raise _diverged(parts.position)
    state = {
        "position": {name: getattr(parts.position, name) for name in Position.__slots__},
        "model": parts.model.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all(),
        "metrics_size": run.metrics_size(),
    }
    save_state(run, state)


def _restore(run: RunDir, parts: Parts) -> None:
    """Take up the newest whole state, and drop the metric rows that came after it."""
    state = load_state(run)
    if state is None:
        run.cut_metrics(0)
        return
    parts.model.load_state_dict(state["model"])
    parts.optimizer.load_state_dict(state["optimizer"])
    parts.position = Position(**state["position"])
    torch.set_rng_state(state["torch_rng"])
    if len(state["cuda_rng"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    run.cut_metrics(state["metrics_size"])
    logger.info("resumed in epoch %d at step %d", parts.position.epoch, parts.position.step)


def _keep_weights(run: RunDir, parts: Parts, row: Row) -> None:
    """Keep this epoch's weights if they are the best so far, or if it is their turn."""
    at, every = parts.position, parts.config.save_every
    paths = [run.of_epoch(at.epoch)] if every and at.epoch % every == 0 else []
    if (mean_iou := row["mean_iou"] or 0.0) > at.best_mean_iou:
        at.best_mean_iou, at.best_epoch = mean_iou, at.epoch
        paths.append(run.best)
    scores = {name: row[name] for name in ("mean_iou", "pixel_accuracy", "class_iou", "val_loss")}
    for path in paths:
        save_weights(path, parts.model, parts.config, at.epoch, scores)


def _has_stalled(config: TrainConfig, at: Position) -> bool:
    return bool(config.patience) and at.epoch - 1 - at.best_epoch >= config.patience


# --- rows ------------------------------------------------------------------------------------


def _settle(at: Position, losses: list[tuple[Tensor, int]]) -> float:
    """Add up the losses of the last steps; returns their mean. Raises TrainingError on NaN."""
    values = [(float(loss), frames) for loss, frames in losses]
    losses.clear()
    for loss, frames in values:  # one by one, so that the sum does not depend on where rows end
        at.loss_sum, at.frames = at.loss_sum + loss * frames, at.frames + frames
    if not math.isfinite(at.loss_sum):
        raise _diverged(at)
    return sum(loss * frames for loss, frames in values) / sum(frames for _, frames in values)


def _diverged(at: Position) -> TrainingError:
    return TrainingError(
        "nan_loss",
        f"the loss is no longer a number in epoch {at.epoch}, step {at.step}",
        "choose a smaller learning rate, some warm-up steps or clip_norm 1",
    )


def _training_row(parts: Parts, loss: float) -> Row:
    at = parts.position
    return {
        "kind": "train",
        "epoch": at.epoch,
        "step": at.step,
        "steps": parts.steps_of_epoch,
        "loss": loss,
        "learning_rate": parts.optimizer.param_groups[0]["lr"],
        "seconds": round(at.seconds, 3),
    }


def _epoch_row(parts: Parts, scores: Scores, val_loss: float, seconds: float) -> Row:
    at = parts.position
    values = {
        "train_loss": at.loss_sum / at.frames,
        "val_loss": val_loss,
        "mean_iou": scores.mean_iou,
        "pixel_accuracy": scores.pixel_accuracy,
    }
    if not math.isfinite(val_loss):
        raise _diverged(at)
    return {
        "kind": "epoch",
        "epoch": at.epoch,
        "step": at.total_steps,
        **{name: _or_none(value) for name, value in values.items()},
        "class_iou": {name: _or_none(scores.class_iou[name]) for name in CLASS_NAMES},
        "learning_rate": parts.optimizer.param_groups[0]["lr"],
        "seconds": round(at.seconds, 3),
        "frames_per_second": round(at.frames / seconds, 3),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _summary(run: RunDir, parts: Parts, status: str) -> Row:
    epochs = [row for row in run.metrics() if row["kind"] == "epoch"]
    best: Mapping[str, Any] = next(
        (row for row in epochs if row["epoch"] == parts.position.best_epoch), {}
    )
    return {
        "status": status,
        "epochs": len(epochs),
        "steps": parts.position.total_steps,
        "best_epoch": parts.position.best_epoch or None,
        **{name: best.get(name) for name in ("mean_iou", "pixel_accuracy", "val_loss")},
        "seconds": round(parts.position.seconds, 1),
    }
