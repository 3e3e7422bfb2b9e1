"""The rows of metrics.jsonl and the summary; values are None where they are undefined."""

from collections.abc import Sequence

from cityseg.labels import CLASS_NAMES
from cityseg.metrics import finite_or_none
from cityseg.runs import MetricRow, best_epoch, epoch_rows, total_steps
from cityseg.training.state import Parts
from cityseg.training.validation import Validation


def training_row(parts: Parts, loss: float) -> MetricRow:
    """A row within an epoch; `loss` is the mean since the last row."""
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


def epoch_row(parts: Parts, validation: Validation, frames_per_second: float) -> MetricRow:
    """The row at the end of an epoch; its `step` counts those of all epochs."""
    at, scores = parts.position, validation.scores
    return {
        "kind": "epoch",
        "epoch": at.epoch,
        "step": at.total_steps,
        "train_loss": at.loss_sum / at.frames,
        "val_loss": finite_or_none(validation.loss),
        "mean_iou": finite_or_none(scores.mean_iou),
        "pixel_accuracy": finite_or_none(scores.pixel_accuracy),
        "class_iou": {name: finite_or_none(scores.class_iou[name]) for name in CLASS_NAMES},
        "learning_rate": parts.optimizer.param_groups[0]["lr"],
        "seconds": round(at.seconds, 3),
        "frames_per_second": round(frames_per_second, 3) or None,  # resumed after the last step
    }


def summary_row(rows: Sequence[MetricRow], status: str, changes: Sequence[str] = ()) -> MetricRow:
    """The content of summary.json for a run that ended as `status` with these metric rows.

    `changes` are sentences on what differed between its attempts.
    """
    best = best_epoch(rows) or {}
    return {
        "status": status,
        "epochs": len(epoch_rows(rows)),
        "steps": total_steps(rows[-1]) if rows else 0,
        "best_epoch": best.get("epoch"),
        **{name: best.get(name) for name in ("mean_iou", "pixel_accuracy", "val_loss")},
        "seconds": round(rows[-1]["seconds"], 1) if rows else 0.0,
        **({"changes": list(changes)} if changes else {}),
    }
