"""The rows of metrics.jsonl: ends of epochs, the best epoch, and the steps up to a row."""

from collections.abc import Sequence
from typing import Any, Final

from cityseg.runs.records import MetricRow

#: Fields of the row of an epoch -> their value where a row lacks them.
_UNKNOWN: Final[dict[str, Any]] = {
    "train_loss": None,
    "val_loss": None,
    "mean_iou": None,
    "pixel_accuracy": None,
    "class_iou": {},
    "learning_rate": None,
    "frames_per_second": None,
}


def epoch_rows(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """The rows at the ends of epochs, in their order.

    What a row lacks is None, or empty. Without the number of its epoch it does not count.
    """
    found = (row for row in rows if row.get("kind") == "epoch" and "epoch" in row)
    return [row if _is_complete(row) else _completed(row) for row in found]


def step_rows(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """The rows within epochs that have a place and a loss, in their order."""
    needed = {"epoch", "step", "steps", "loss", "learning_rate"}
    found = (row for row in rows if row.get("kind") == "train" and needed <= row.keys())
    return [row for row in found if 0 < row["step"] <= row["steps"]]


def _is_complete(row: MetricRow) -> bool:
    return _UNKNOWN.keys() <= row.keys() and row["class_iou"] is not None


def _completed(row: MetricRow) -> MetricRow:
    filled = {**_UNKNOWN, **row}
    return {**filled, "class_iou": filled["class_iou"] or {}}


def best_epoch(rows: Sequence[MetricRow]) -> MetricRow | None:
    """The row of the epoch whose weights are kept as the best; None without a finished epoch.

    The first with the highest mean IoU: a later one that only equals it replaces no weights.
    """
    return max(epoch_rows(rows), key=lambda row: row["mean_iou"] or 0.0, default=None)


def total_steps(row: MetricRow) -> int:
    """The number of finished steps, over all epochs, at a row of metrics.jsonl."""
    if row["kind"] == "epoch":
        return int(row["step"])
    return int((row["epoch"] - 1) * row["steps"] + row["step"])
