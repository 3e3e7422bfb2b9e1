"""Curves and bars of one run, as far as it has come."""

from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.config import TrainConfig
from cityseg.jobs import JobState, last_resources
from cityseg.runs import MetricRow, RunDir, best_epoch, epoch_rows
from cityseg.system import last_objects
from cityseg.ui.charts import scores as charts
from cityseg.ui.charts.scores import Curve, Series

#: Of the rows within epochs, how much is read.
_FINE_BYTES: Final = 1 << 20
#: Of a curve.
_MOST_POINTS: Final = 600
#: From here on, passed time is shown in minutes.
_LONG_SECONDS: Final = 300


def show_curves(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw losses, scores and the learning rate."""
    epochs = _thinned(_epochs(run.path, now.progress.epochs_done))
    fine = _thinned(_rows_within_epochs(run))
    if not epochs and not fine:
        st.info("Curves begin with the first steps.", icon=":material/hourglass_empty:")
        return
    at = [row["epoch"] for row in epochs]
    within = [row["epoch"] - 1 + row["step"] / row["steps"] for row in fine]
    left, right = st.columns(2)
    losses = [
        Curve("training", within, [row["loss"] for row in fine]),
        Curve("validation", at, [row["val_loss"] for row in epochs], run=1),
    ]
    with left:
        _draw("Loss", charts.history(losses, y_title="loss"), "losses")
    if epochs:
        with right:
            _draw("Validation", _scores(at, epochs), "scores")
    rates = [Curve("learning rate", within, [row["learning_rate"] for row in fine])]
    with left:
        _draw("Learning rate", charts.history(rates, y_title="learning rate", height=240), "rates")


def _scores(at: list[int], epochs: list[MetricRow]) -> Any:
    curves = [
        Curve("mean IoU", at, [row["mean_iou"] for row in epochs]),
        Curve("pixel accuracy", at, [row["pixel_accuracy"] for row in epochs], run=1),
    ]
    return charts.history(curves, y_title="score", percent=True)


def show_classes(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw the IoU of each class in the newest epoch, beside the best."""
    epochs = _epochs(run.path, now.progress.epochs_done)
    best = best_epoch(epochs)
    if best is None:
        st.info("Scores begin with the first validation.", icon=":material/hourglass_empty:")
        return
    newest = epochs[-1]
    shown = [best] if best is newest else [newest, best]
    words = {best["epoch"]: "best", newest["epoch"]: "newest"}
    series = [
        Series(f"epoch {row['epoch']}, {words[row['epoch']]}", row["class_iou"]) for row in shown
    ]
    _draw("IoU of each class, on the validation frames", charts.iou_bars(series), "classes")


def show_machine(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw what the training takes of the machine."""
    rows = last_resources(run)
    if not rows:
        st.info("Measured every five seconds of a training.", icon=":material/hourglass_empty:")
        return
    name, unit = ("minutes", 60) if rows[-1]["seconds"] > _LONG_SECONDS else ("seconds", 1)
    passed = [row["seconds"] / unit for row in rows]
    figures: list[tuple[str, str, dict[str, list[float | None]]]] = [
        ("Processor", "% of a core", {"training": [row["cpu_percent"] for row in rows]}),
        ("Memory", "GB", {"training": [row["memory_bytes"] / 1e9 for row in rows]}),
        ("Free on disk", "GB", {"disk": [row["disk_free_bytes"] / 1e9 for row in rows]}),
    ]
    if any(row["gpu"] for row in rows):
        used = [_of_gpu(row, "memory_used_bytes", 1e9) for row in rows]
        total = [_of_gpu(row, "memory_total_bytes", 1e9) for row in rows]
        busy = [_of_gpu(row, "utilisation", 1) for row in rows]
        figures[:0] = [
            ("GPU", "%", {"in use": busy}),
            ("GPU memory", "GB", {"used": used, "there is": total}),
        ]
    columns = st.columns(2)
    for place, (title, y_title, lines) in enumerate(figures):
        curves = [Curve(line, passed, y, run=i) for i, (line, y) in enumerate(lines.items())]
        with columns[place % 2]:
            figure = charts.history(curves, y_title=y_title, x_title=name, height=240)
            _draw(title, figure, f"machine-{place}")


def _of_gpu(row: dict[str, Any], name: str, unit: float) -> float | None:
    return row["gpu"][name] / unit if row["gpu"] else None


def _draw(title: str, figure: Any, key: str) -> None:
    st.markdown(f"**{title}**")
    st.plotly_chart(figure, config=charts.CONFIG, alt=title, key=f"run-{key}")


# All rows are read, which may be many: only when an epoch has ended. They may also be large.
@st.cache_resource(max_entries=3, show_spinner=False)
def _epochs(run: Path, epochs_done: int) -> list[MetricRow]:
    return epoch_rows(RunDir(run).metrics())


def _rows_within_epochs(run: RunDir) -> list[MetricRow]:
    """The newest of them."""
    try:
        rows, _ = last_objects(run.metrics_file, _FINE_BYTES)
    except OSError:
        return []
    return [row for row in rows if row.get("kind") == "train"]


def _thinned(rows: list[MetricRow]) -> list[MetricRow]:
    """Every nth of the rows, the last among them: as many as can be told apart in a figure."""
    return rows[:: -(len(rows) // _MOST_POINTS + 1)][::-1]
