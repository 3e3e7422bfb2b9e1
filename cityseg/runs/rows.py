"""The rows of metrics.jsonl: ends of epochs, the best epoch, and the steps up to a row."""

from collections.abc import Sequence

from cityseg.runs.folder import MetricRow


def epoch_rows(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """The rows at the ends of epochs, in their order."""
    return [row for row in rows if row.get("kind") == "epoch"]


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
