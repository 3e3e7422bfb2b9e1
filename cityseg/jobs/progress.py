"""How far a run is, from the last of its metric rows. No clock is involved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from cityseg.config import TrainConfig
from cityseg.jobs.file_cache import cached
from cityseg.runs import MOST_SECONDS, MetricRow, RunDir, altered, newest_rows

#: How much of the file is read: more only if that contains fewer than two ends of epochs.
_TAIL_BYTES: Final = (1 << 14, 1 << 17, 1 << 20, 1 << 23)
#: The rate is that of the newest so many rows.
_RATE_ROWS: Final = 20
#: The time left comes from the newest so many complete epochs.
_RATE_EPOCHS: Final = 3


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a run is. None and 0 mean that a value is not known yet."""

    epochs_done: int = 0  # including their validation
    epoch: int = 0  # the current one, counted from 1
    step: int = 0  # finished steps of the current epoch
    steps: int = 0  # steps of an epoch
    total_steps: int = 0  # finished steps of all epochs
    seconds: float = 0.0  # of training, in all attempts
    is_validating: bool = False
    steps_per_second: float | None = None
    frames_per_second: float | None = None
    seconds_left: float | None = None

    def at_rest(self) -> Self:
        """The same without the values that hold only while the run is live."""
        return replace(
            self,
            is_validating=False,
            steps_per_second=None,
            frames_per_second=None,
            seconds_left=None,
        )


def progress_of(run: RunDir, config: TrainConfig) -> TrainingProgress:
    """How far `run` is by its newest rows; raises OSError, or RunError if they were altered."""

    def read(path: Path) -> TrainingProgress:
        try:
            return progress_from_rows(_newest_rows(path), config)
        except KeyError as error:
            raise altered(path, f"a row has no {error.args[0]}") from error

    return cached(run.metrics_file, read, config.epochs, config.batch_size) or TrainingProgress()


def _newest_rows(path: Path) -> list[MetricRow]:
    rows: list[MetricRow] = []
    for size in _TAIL_BYTES:
        rows, is_all = newest_rows(path, size)
        if is_all or sum(row["kind"] == "epoch" for row in rows) >= 2:
            break
    return rows


def progress_from_rows(rows: Sequence[MetricRow], config: TrainConfig) -> TrainingProgress:
    """How far a run is by its newest rows, in their order."""
    if not rows:
        return TrainingProgress()
    last = rows[-1]
    training_rows = [row for row in rows if row["kind"] == "train"]
    steps = training_rows[-1]["steps"] if training_rows else 0
    epochs_done, step = _position(last, steps, config.epochs)
    ends = {row["epoch"]: row["seconds"] for row in rows if row["kind"] == "epoch"} | {0: 0.0}
    rate = _steps_per_second(training_rows, ends)
    here = TrainingProgress(
        epochs_done=epochs_done,
        epoch=min(epochs_done + 1, config.epochs),
        step=step,
        steps=steps,
        # The row of an epoch counts the steps of all epochs, a training row those of its own.
        total_steps=last["step"] if last["kind"] == "epoch" else epochs_done * steps + step,
        seconds=last["seconds"],
        is_validating=last["kind"] == "train" and step == steps,
        steps_per_second=rate,
        frames_per_second=rate and rate * config.batch_size,
    )
    return replace(here, seconds_left=_seconds_left(here, ends, config.epochs))


def _position(last: MetricRow, steps: int, epochs: int) -> tuple[int, int]:
    """Finished epochs, and finished steps of the current one; `last` is the newest row."""
    if last["kind"] != "epoch":
        return last["epoch"] - 1, last["step"]
    is_finished = last["epoch"] >= epochs
    return last["epoch"], steps if is_finished else 0  # the next epoch has not begun


def _steps_per_second(training_rows: list[MetricRow], ends: dict[int, float]) -> float | None:
    """The rate of the newest rows of one epoch: the time between epochs is that of validation."""
    if not training_rows:
        return None
    epoch = training_rows[-1]["epoch"]
    points = [(row["step"], row["seconds"]) for row in training_rows if row["epoch"] == epoch]
    if epoch - 1 in ends:
        points.insert(0, (0, ends[epoch - 1]))
    (first, start), (last, end) = points[-_RATE_ROWS:][0], points[-1]
    return (last - first) / (end - start) if end > start and last >= first else None


def _seconds_left(here: TrainingProgress, ends: dict[int, float], epochs: int) -> float | None:
    """By the newest complete epochs, with their validation; before there are any, by the rate.

    `ends` has the seconds at the end of each epoch, and 0 for the beginning.
    """
    if here.epochs_done >= epochs:
        return 0.0
    durations = [ends[each] - ends[each - 1] for each in sorted(ends) if each - 1 in ends]
    epochs_left = epochs - here.epoch + 1
    if durations:
        newest = durations[-_RATE_EPOCHS:]
        passed = here.seconds - ends[here.epoch - 1] if here.epoch - 1 in ends else 0.0
        return max(sum(newest) / len(newest) * epochs_left - passed, 0.0)
    if here.steps_per_second:
        seconds = (epochs_left * here.steps - here.step) / here.steps_per_second
        return min(max(seconds, 0.0), MOST_SECONDS)
    return None
