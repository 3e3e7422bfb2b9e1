"""Rows of metrics.jsonl with the fields that jobs read."""

from typing import Any


def train_row(epoch: int, step: int, seconds: float, steps: int = 50) -> dict[str, Any]:
    numbers = {"epoch": epoch, "step": step, "steps": steps, "seconds": seconds}
    return {"kind": "train", "loss": 1.0, "learning_rate": 0.1} | numbers


def epoch_row(epoch: int, seconds: float, steps: int = 50) -> dict[str, Any]:
    return {"kind": "epoch", "epoch": epoch, "step": epoch * steps, "seconds": seconds}
