"""The training loop. It writes to the run's folder, and reads its own state only from there.

Everything random is derived from (seed, epoch, position), or drawn from generators that are saved
with the state. So a run that was killed and resumed ends with the same weights as one that was not:
bit for bit on the CPU.
"""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from torch import Tensor, nn

from cityseg.config import TrainConfig
from cityseg.runs import MetricRow, RunDir, survive_rename
from cityseg.runs.checkpoints import save_weights
from cityseg.runs.panels import keep_panels
from cityseg.runs.seen import read_seen
from cityseg.system import ProgressCallback
from cityseg.training.augment import augment, epoch_order, epoch_views
from cityseg.training.averaging import follow
from cityseg.training.failures import torch_errors_explained
from cityseg.training.optimizers import hold_encoder, learning_rate
from cityseg.training.pasting import epoch_pastes, paste
from cityseg.training.ranks import ALONE, joined
from cityseg.training.row_check import RowCheck
from cityseg.training.rows import epoch_row, summary_row, training_row
from cityseg.training.state import Parts, Position, StopError, assemble, save
from cityseg.training.torch_setup import torch_set_up
from cityseg.training.validation import validate

#: Steps between two training rows; for each, the loop waits once for the device.
LOG_EVERY: Final = 10


def train(
    run: RunDir,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_row: Callable[[MetricRow], None] = lambda row: None,
    on_store: ProgressCallback = lambda done, total: None,
) -> MetricRow:
    """Train `run` from its last saved state to its end, and return its summary.

    The caller holds the run's lock. `should_stop` is called after each step, validation batch and
    decoded frame; once it returns true, the state is saved and the summary has the status
    "stopped". `on_row` is called with each row of metrics.jsonl, `on_store` with (done, total)
    while frame stores are built.

    In a process that torchrun has started, the others of its group have to call it too: all of them
    train the run together, and the first one writes to its folder. A stop of one stops all.

    Raises TrainingError, ConfigError, StoreError, DatasetError, ModelError or CheckpointError. The
    last saved state stays intact.
    """

    def report_or_stop(done: int, total: int) -> None:
        on_store(done, total)
        if should_stop():
            raise StopError

    with joined() as ranks, torch_errors_explained(), ExitStack() as stack:
        config = run.config()  # as the first rank has left it
        stack.enter_context(torch_set_up(config.seed, ranks.device(config.device)))
        try:
            parts = assemble(run, report_or_stop, ranks)
        except StopError:
            return summary_row(run.metrics(), "stopped")
        if {config.start_from, config.weights} != {"none"} and not run.last.exists():
            save(run, parts)  # its first weights may be gone when it is resumed
        with RowCheck(run, parts) as check:
            finished = _loop(run, parts, check, should_stop, on_row)
        seen = read_seen(run)
        changes = seen.changes if seen else ()
        return summary_row(run.metrics(), "done" if finished else "stopped", changes)


def _loop(
    run: RunDir,
    parts: Parts,
    check: RowCheck,
    should_stop: Callable[[], bool],
    on_row: Callable[[MetricRow], None],
) -> bool:
    """Train to the end of the run; False if it was stopped before that."""
    config, at, ranks = parts.config, parts.position, parts.ranks
    # What is pasted comes from the frame before, which another rank has: then each has all frames.
    gathering = ranks if parts.is_rare is None else ALONE
    started, saved = time.monotonic() - at.seconds, time.monotonic()

    def record(row: MetricRow) -> None:
        if ranks.is_first:
            survive_rename(run, lambda: run.append_metrics(row))
            on_row(row)

    while at.epoch <= config.epochs and not _has_stalled(config, at):
        order = epoch_order(parts.train_frames, config.seed, at.epoch)
        views = epoch_views(parts.train_frames, config, at.epoch)
        pastes = epoch_pastes(parts.train_frames, config, at.epoch)
        first, last = at.step * config.batch_size, parts.steps_of_epoch * config.batch_size
        epoch_started, frames_before = time.monotonic(), at.frames
        parts.model.train()
        losses: list[tuple[Tensor, int]] = []
        for images, masks in parts.train.batches(order[first:last], config.batch_size, gathering):
            start = at.step * config.batch_size
            count = min(config.batch_size, len(order) - start)  # of all ranks
            positions = gathering.positions(start, count)
            inputs, truth = augment(images, masks, views, positions, config.crop_hw)
            if parts.is_rare is not None:
                inputs, truth = paste(inputs, truth, pastes[positions], parts.is_rare)
                inputs, truth = ranks.share(inputs), ranks.share(truth)
            losses.append((take_step(parts, inputs, truth), count))
            at.step, at.total_steps = at.step + 1, at.total_steps + 1
            if parts.average is not None:
                follow(parts.average, parts.model, config.ema, at.total_steps)
            at.seconds = time.monotonic() - started
            check.report()
            is_late = time.monotonic() - saved > 60 * config.checkpoint_minutes
            stopping, due = ranks.any(should_stop(), is_late)
            if stopping or due or at.step % LOG_EVERY == 0 or at.step == parts.steps_of_epoch:
                record(training_row(parts, settle(parts, losses)))
            if stopping or due:
                save(run, parts)
                saved = time.monotonic()
            if stopping:
                return False
        frames_per_second = (at.frames - frames_before) / (time.monotonic() - epoch_started)
        check.finish(should_stop)  # no score rests on a damaged frame
        validation = validate(parts, should_stop)
        if validation is None:  # stopped: a resumed run has no steps left, and validates at once
            save(run, parts)
            return False
        at.seconds = time.monotonic() - started
        if not run.last.exists():  # a run with results but without a state cannot be continued
            save(run, parts)
        row = epoch_row(parts, validation, frames_per_second)
        record(row)
        if ranks.is_first:
            keep_panels(run, at.epoch, config.epochs, validation.panels)
        _keep_weights(run, parts, row)
        at.epoch, at.step, at.loss_sum, at.frames = at.epoch + 1, 0, 0.0, 0
        save(run, parts)
        saved = time.monotonic()
    return True


def take_step(parts: Parts, inputs: Tensor, truth: Tensor) -> Tensor:
    """Update the weights once; returns the loss, still to be computed by a GPU."""
    config = parts.config
    steps = parts.steps_of_epoch * config.epochs
    rate = learning_rate(config, parts.position.total_steps, steps)
    for group in parts.optimizer.param_groups:
        group["lr"] = rate * group.get("rate_factor", 1)
    hold_encoder(config, parts.model, parts.position.total_steps)
    parts.ranks.seed(config.seed, parts.position.total_steps)
    loss = parts.loss(parts.forward(inputs), truth)
    parts.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if config.clip_norm:
        nn.utils.clip_grad_norm_(parts.model.parameters(), config.clip_norm)
    parts.optimizer.step()
    return loss.detach()


def settle(parts: Parts, losses: list[tuple[Tensor, int]]) -> float:
    """Add the losses of the last steps to the position, and return their mean over frames.

    Waits for the device. Raises TrainingError if the sum is not finite.
    """
    at = parts.position
    values = [(float(loss), frames) for loss, frames in losses]
    losses.clear()
    # One by one: rounding would depend on where rows end, and rows end elsewhere after a resume.
    for loss, frames in values:
        at.loss_sum, at.frames = at.loss_sum + loss * frames, at.frames + frames
    if not math.isfinite(at.loss_sum):
        raise parts.diverged()
    return sum(loss * frames for loss, frames in values) / sum(frames for _, frames in values)


def _keep_weights(run: RunDir, parts: Parts, row: MetricRow) -> None:
    """Keep the weights of this epoch if they are the best so far, or due by `save_every`."""
    at, every = parts.position, parts.config.save_every
    names = [run.of_epoch(at.epoch).name] if every and at.epoch % every == 0 else []
    if (mean_iou := row["mean_iou"] or 0.0) > at.best_mean_iou:
        at.best_mean_iou, at.best_epoch = mean_iou, at.epoch
        names.append(run.best.name)
    scores = {name: row[name] for name in ("mean_iou", "pixel_accuracy", "class_iou", "val_loss")}
    for name in names if parts.ranks.is_first else ():

        def write(name: str = name) -> None:
            path = run.checkpoints / name
            save_weights(path, parts.kept, parts.config, at.epoch, scores)

        survive_rename(run, write)


def _has_stalled(config: TrainConfig, at: Position) -> bool:
    return bool(config.patience) and at.epoch - 1 - at.best_epoch >= config.patience
