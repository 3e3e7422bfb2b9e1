"""The rows of metrics.jsonl."""

from typing import Any

from cityseg.runs.rows import best_epoch, epoch_rows, total_steps


def epoch(number: int, mean_iou: float | None) -> dict[str, Any]:
    return {"kind": "epoch", "epoch": number, "mean_iou": mean_iou}


def test_rows_within_epochs_are_left_out() -> None:
    rows = [{"kind": "train", "epoch": 1}, epoch(1, 0.4), {"kind": "train", "epoch": 2}]
    assert epoch_rows(rows) == [epoch(1, 0.4)]


def test_the_best_epoch_is_the_first_with_the_highest_mean_iou() -> None:
    rows = [epoch(1, None), epoch(2, 0.4), {"kind": "train", "epoch": 3}, epoch(3, 0.4)]
    best = best_epoch(rows)
    assert best
    assert best["epoch"] == 2
    assert best_epoch([]) is None


def test_steps_are_counted_from_the_start_of_the_run() -> None:
    assert total_steps({"kind": "train", "epoch": 1, "step": 10, "steps": 100}) == 10
    assert total_steps({"kind": "train", "epoch": 3, "step": 10, "steps": 100}) == 210
    assert total_steps({"kind": "epoch", "epoch": 3, "step": 300}) == 300
