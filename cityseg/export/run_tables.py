"""What runs recorded, for other programs: a table of their epochs, or files for TensorBoard."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cityseg.errors import RunError
from cityseg.labels import CLASS_NAMES
from cityseg.runs import MetricRow, RunDir, epoch_rows, read_notes
from cityseg.system import check_output_file, new_folder, records_csv, replacing

#: Of an epoch: what is drawn over epochs, and all metrics in the order of the columns.
_DRAWN: Final = (
    *("train_loss", "val_loss", "mean_iou", "pixel_accuracy", "learning_rate"),
    "frames_per_second",
)
_METRICS: Final = ("epoch", "step", "seconds", *_DRAWN)
#: Settings that are no difference between runs: the title has a column of its own.
_LEFT_OUT: Final = frozenset({"title"})


def epoch_records(runs: Sequence[RunDir]) -> list[dict[str, Any]]:
    """A record for each run and finished epoch, all with the same fields; None where undefined.

    `run` and `title`, the settings in which the runs differ as `setting_NAME`, the metrics of the
    epoch, and the IoU of each class as `iou_NAME`. Raises RunError or ConfigError if a run is
    damaged, or if none has finished an epoch.
    """
    configs = [run.config().model_dump(mode="json") for run in runs]
    names = [
        name
        for name in configs[0]
        if name not in _LEFT_OUT and any(each[name] != configs[0][name] for each in configs)
    ]
    records = [
        {
            "run": _text(run.id),
            "title": _text(read_notes(run).name or config["title"]),
            **{f"setting_{name}": _text(config[name]) for name in names},
            **_metrics(row),
        }
        for run, config in zip(runs, configs, strict=True)
        for row in epoch_rows(run.metrics())
    ]
    if not records:
        raise RunError("None of these runs has finished an epoch: name others, or train them first")
    return records


def _metrics(row: MetricRow) -> dict[str, Any]:
    ious: Mapping[str, float | None] = row["class_iou"]
    by_class = {f"iou_{name.replace(' ', '_')}": ious.get(name) for name in CLASS_NAMES}
    return {name: row.get(name) for name in _METRICS} | by_class


def _text(value: Any) -> Any:
    """`value`, a text in UTF-8: the names of files may be none."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return value


def write_csv(runs: Sequence[RunDir], out: Path) -> int:
    """Write the `epoch_records` as CSV, no text a formula; returns their number."""
    check_output_file(out)
    records = epoch_records(runs)
    _write(out, records_csv(records).encode())
    return len(records)


def write_parquet(runs: Sequence[RunDir], out: Path) -> int:
    """Write the `epoch_records` as Parquet; returns their number."""
    import pyarrow as pa
    from pyarrow import parquet

    check_output_file(out)
    records = epoch_records(runs)
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(records), buffer, compression="zstd")
    _write(out, buffer.getvalue())
    return len(records)


def _write(out: Path, content: bytes) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        file.write(content)


def write_tensorboard(runs: Sequence[RunDir], out: Path) -> int:
    """Write the metrics of each epoch as events below the new folder `out`, a folder for each run.

    Returns the number of epochs. Raises RunError as `epoch_records`, or if TensorBoard is not
    installed, and CitysegError if `out` exists.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RunError(
            "TensorBoard is not installed: run pip install 'cityseg[tensorboard]', or export --to "
            "csv"
        ) from error
    names = [run.id for run in runs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RunError(f"Several of these runs are called {twice[0]}: export them separately")
    count = len(epoch_records(runs))  # before anything is written
    with new_folder(out) as folder:
        for run in runs:
            with SummaryWriter(str(folder / run.id)) as writer:
                for row in epoch_rows(run.metrics()):
                    for tag, value in _scalars(row).items():
                        writer.add_scalar(tag, value, row["epoch"])
    return count


def _scalars(row: MetricRow) -> dict[str, float]:
    """What is drawn over epochs, under the names that Weights & Biases gets, too."""
    values = {name: row[name] for name in _DRAWN}
    values |= {f"class_iou/{name}": iou for name, iou in row["class_iou"].items()}
    return {tag: value for tag, value in values.items() if value is not None}
