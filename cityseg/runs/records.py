"""What the JSON files of a run hold, read: metric rows, the summary, the progress of a start.

Fields may be missing, as versions and ends differ; a field that is there has its type. A file that
was changed otherwise is a RunError, so that its run is listed as broken with the reason. What a
crash or a full disk leaves, an incomplete line or file, counts as none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from cityseg.errors import RunError
from cityseg.system import (
    LARGE,
    Count,
    FileModel,
    JsonError,
    last_lines,
    parse_as,
    read_json_as,
    read_regular_file,
)

#: One line of metrics.jsonl.
MetricRow = dict[str, Any]

#: At most three thousand years, so that what is calculated from them is still a time.
MOST_SECONDS: Final = 1e11
_Seconds = Annotated[float, Field(ge=0, le=MOST_SECONDS)]
_Epoch = Annotated[int, Field(ge=1, le=1 << 31)]


class _Row(FileModel):
    """A row of metrics.jsonl, as `training.rows` makes them."""

    kind: str | None = None
    epoch: _Epoch = 1
    step: Count = 0
    steps: Count = 0
    seconds: _Seconds = 0.0
    loss: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    mean_iou: float | None = None
    pixel_accuracy: float | None = None
    class_iou: dict[str, float | None] | None = None
    learning_rate: float | None = None
    frames_per_second: float | None = None


class _Summary(FileModel):
    """The content of summary.json."""

    status: object = None
    epochs: Count = 0
    steps: Count = 0
    seconds: _Seconds = 0.0
    best_epoch: _Epoch | None = None
    mean_iou: float | None = None
    pixel_accuracy: float | None = None
    val_loss: float | None = None
    reason: str = ""
    detail: str = ""
    hint: str = ""
    changes: list[str] = Field(default_factory=list)


class StartProgress(FileModel):
    """The content of job/progress.json: what a trainer does until there are metric rows."""

    stage: str = "starting"
    done: Count = 0
    total: Count = 0


def altered(path: Path, problem: str) -> RunError:
    """The error for a file of a run that holds what cityseg does not write."""
    return RunError(
        f"The files in {path.parent} are not as they were written ({path.name}: {problem}): "
        "restore them"
    )


def read_summary(path: Path) -> dict[str, Any]:
    """The fields of a summary.json; empty if it is missing or incomplete.

    Raises RunError if it was altered, or OSError.
    """
    try:
        return read_json_as(path, _Summary).model_dump(exclude_unset=True)
    except FileNotFoundError:
        return {}
    except JsonError as error:
        if error.is_cut_off:
            return {}
        raise altered(path, str(error)) from error


def read_start_progress(path: Path) -> StartProgress:
    """The content of job/progress.json; raises RunError if it was altered, or OSError."""
    try:
        return read_json_as(path, StartProgress)
    except FileNotFoundError:
        return StartProgress()
    except JsonError as error:
        raise altered(path, str(error)) from error


def read_rows(path: Path) -> list[MetricRow]:
    """The rows of a metrics.jsonl; raises RunError if it was altered, or OSError."""
    try:
        content = read_regular_file(path, LARGE)
    except FileNotFoundError:
        return []
    return rows_of_lines(content.split(b"\n")[:-1], path)


def newest_rows(path: Path, size: int) -> tuple[list[MetricRow], bool]:
    """The rows in the last `size` bytes of a metrics.jsonl, and whether these are all.

    Raises RunError if it was altered, or OSError.
    """
    lines, is_all = last_lines(path, size)
    return rows_of_lines(lines, path), is_all


def rows_of_lines(lines: Iterable[bytes], path: Path) -> list[MetricRow]:
    """The rows on complete `lines` of the metrics.jsonl at `path`; raises RunError."""
    rows = []
    for line in lines:
        try:
            row = parse_as(line, _Row).model_dump(exclude_unset=True)
        except JsonError as error:
            if error.is_cut_off:
                continue
            raise altered(path, f"{error} in a row") from error
        if row:
            rows.append(row)
    return rows
