"""How far a run has come, from the end of its metric rows. No clock is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from cityseg.config import TrainConfig
from cityseg.jobs.file_cache import cached
from cityseg.runs import MetricRow, RunDir
from cityseg.system import last_objects

#: How much of the rows is read; more only where that has less than two ends of epochs.
_TAIL_BYTES: Final = (1 << 14, 1 << 17, 1 << 20, 1 << 23)
#: How many of the newest rows the rate is taken from.
_RATE_ROWS: Final = 20
#: How many of the newest whole epochs the time left is taken from.
_RATE_EPOCHS: Final = 3


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a run has come. None and 0 stand for what is not known yet."""

    epochs_done: int = 0  # with their validation
    epoch: int = 0  # in work, counted from 1
    step: int = 0  # finished steps of that epoch
    steps: int = 0  # of one epoch
    total_steps: int = 0  # finished steps of all epochs
    seconds: float = 0.0  # of training, over all attempts
    is_validating: bool = False
    steps_per_second: float | None = None
    frames_per_second: float | None = None
    seconds_left: float | None = None

    def at_rest(self) -> Self:
        """The same without what counts only while the run goes on."""
        return replace(
            self,
            is_validating=False,
            steps_per_second=None,
            frames_per_second=None,
            seconds_left=None,
        )


def progress_of(run: RunDir, config: TrainConfig) -> TrainingProgress:
    """How far `run` has come by its newest rows; raises what reading rows of others raises."""

    def read(path: Path) -> TrainingProgress:
        return from_rows(_newest_rows(path), config)

    return cached(run.metrics_file, read, config.epochs, config.batch_size) or TrainingProgress()


def _newest_rows(path: Path) -> list[MetricRow]:
    rows: list[MetricRow] = []
    for size in _TAIL_BYTES:
        rows, is_all = last_objects(path, size)
        if is_all or sum(row["kind"] == "epoch" for row in rows) >= 2:
            break
    return rows


def from_rows(rows: Sequence[MetricRow], config: TrainConfig) -> TrainingProgress:
    """The same from rows that are at hand, the newest ones of a run in their order."""
    if not rows:
        return TrainingProgress()
    last, is_over = rows[-1], rows[-1]["kind"] == "epoch"
    of_training = [row for row in rows if row["kind"] == "train"]
    steps = of_training[-1]["steps"] if of_training else 0
    done = last["epoch"] - (not is_over)
    epoch = min(done + 1, config.epochs)
    step = (0 if done < epoch else steps) if is_over else last["step"]
    ends = {row["epoch"]: row["seconds"] for row in rows if row["kind"] == "epoch"} | {0: 0.0}
    rate = _steps_per_second(of_training, ends)
    left = _seconds_left(ends, rate, config.epochs, epoch, step, steps, last["seconds"])
    return TrainingProgress(
        epochs_done=done,
        epoch=epoch,
        step=step,
        steps=steps,
        total_steps=last["step"] if is_over else done * steps + step,
        seconds=last["seconds"],
        is_validating=not is_over and step == steps,
        steps_per_second=rate,
        frames_per_second=rate and rate * config.batch_size,
        seconds_left=0.0 if done >= config.epochs else left,
    )


def _steps_per_second(of_training: list[MetricRow], ends: dict[int, float]) -> float | None:
    """The rate of the newest rows within one epoch: between epochs there is validation."""
    if not of_training:
        return None
    epoch = of_training[-1]["epoch"]
    points = [(row["step"], row["seconds"]) for row in of_training if row["epoch"] == epoch]
    if epoch - 1 in ends:
        points.insert(0, (0, ends[epoch - 1]))
    (first, start), (last, end) = points[-_RATE_ROWS:][0], points[-1]
    return (last - first) / (end - start) if end > start else None


def _seconds_left(
    ends: dict[int, float],
    rate: float | None,
    epochs: int,
    epoch: int,
    step: int,
    steps: int,
    now: float,
) -> float | None:
    """By whole epochs, with their validation, where there are some; else by the rate of steps."""
    whole = [ends[each] - ends[each - 1] for each in sorted(ends) if each - 1 in ends]
    if whole:
        newest = whole[-_RATE_EPOCHS:]
        passed = now - ends[epoch - 1] if epoch - 1 in ends else 0.0
        return max(sum(newest) / len(newest) * (epochs - epoch + 1) - passed, 0.0)
    return ((epochs - epoch + 1) * steps - step) / rate if rate else None
