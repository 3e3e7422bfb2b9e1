"""Rows of metrics.jsonl: ends of epochs, the best epoch, steps."""

from typing import Any

import pytest

from cityseg.runs import best_epoch, epoch_rows, total_steps

TRAIN = {"kind": "train", "epoch": 3, "step": 2, "steps": 5}


def epoch(number: int, mean_iou: float | None) -> dict[str, Any]:
    return {"kind": "epoch", "epoch": number, "step": 5 * number, "mean_iou": mean_iou}


def test_rows_at_the_ends_of_epochs_keep_their_order() -> None:
    rows = [TRAIN, epoch(1, 0.1), TRAIN, epoch(2, 0.2), {"loss": 1.0}]
    assert [row["epoch"] for row in epoch_rows(rows)] == [1, 2]


@pytest.mark.parametrize(
    ("mean_ious", "best"),
    [([0.1, 0.3, 0.2], 2), ([0.3, 0.3], 1), ([None, 0.1], 2), ([None, None], 1), ([0.0, None], 1)],
)
def test_the_best_epoch_is_the_first_of_the_highest_mean_iou(
    mean_ious: list[float | None], best: int
) -> None:
    rows = [epoch(number, value) for number, value in enumerate(mean_ious, 1)]
    found = best_epoch([TRAIN, *rows])
    assert found
    assert found["epoch"] == best


def test_without_a_finished_epoch_there_is_no_best_one() -> None:
    assert best_epoch([TRAIN]) is None


def test_steps_are_counted_over_all_epochs() -> None:
    assert total_steps(TRAIN) == 12
    assert total_steps(epoch(3, 0.1)) == 15
