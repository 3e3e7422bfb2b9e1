"""Curves and bars of one run, from what it has recorded so far."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.config import TrainConfig
from cityseg.jobs import JobState, last_resources
from cityseg.runs import MetricRow, RunDir, best_epoch, epoch_rows, newest_rows, step_rows
from cityseg.ui import charts

#: How much is read of the rows within epochs, from the end of the file.
_FINE_BYTES: Final = 1 << 20
#: More points of a curve would be closer than pixels.
_MOST_POINTS: Final = 600
_SMOOTHING: Final = "smoothing"
#: Longer times are shown in minutes.
_LONG_SECONDS: Final = 300


def show_curves(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw losses, scores and the learning rate."""
    epochs = _thinned(_epochs(run, now.progress.epochs_done))
    fine = _thinned(_rows_within_epochs(run))
    if not epochs and not fine:
        st.info("Curves begin with the first steps.", icon=":material/hourglass_empty:")
        return
    at = [row["epoch"] for row in epochs]
    weight = st.session_state.get(_SMOOTHING, 0.0)  # its slider stands below the curves
    within = [row["epoch"] - 1 + row["step"] / row["steps"] for row in fine]
    left, right = st.columns(2)
    losses = [
        charts.Curve("Training", within, smoothed([row["loss"] for row in fine], weight)),
        charts.Curve("Validation", at, smoothed([r["val_loss"] for r in epochs], weight), run=1),
    ]
    with left:
        _draw("Loss", charts.line_chart(losses, y_title="Loss"), "losses")
    if epochs:
        with right:
            _draw("Validation", _scores(at, epochs, weight), "scores")
            _show_smoothing()
    rates = [charts.Curve("Learning rate", within, [row["learning_rate"] for row in fine])]
    with left:
        _draw(
            "Learning rate", charts.line_chart(rates, y_title="Learning rate", height=240), "rates"
        )


def _show_smoothing() -> None:
    st.slider(
        "Smoothing",
        0.0,
        0.95,
        step=0.05,
        key=_SMOOTHING,
        persist_state="session",
        help="Each point becomes a mean of itself and those before it. 0 shows what was measured.",
    )


def smoothed(values: Sequence[float | None], weight: float) -> list[float | None]:
    """The mean of each value and those before it, each weighing `weight` times the next one.

    A weight of 0 changes nothing; None stays None.
    """
    mean, total, result = 0.0, 0.0, list[float | None]()
    for value in values:
        if value is None:
            result.append(None)
            continue
        # Divided by the weights so far: otherwise the first means would lean towards zero.
        mean, total = weight * mean + value, weight * total + 1
        result.append(mean / total)
    return result


def _scores(at: list[int], epochs: list[MetricRow], weight: float) -> Any:
    mean_iou, accuracy = (
        smoothed([row[name] for row in epochs], weight) for name in ("mean_iou", "pixel_accuracy")
    )
    curves = [
        charts.Curve("Mean IoU", at, mean_iou),
        charts.Curve("Pixel accuracy", at, accuracy, run=1),
    ]
    return charts.line_chart(curves, y_title="Score", percent=True)


def show_classes(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw the IoU of each class in the newest epoch, beside the best."""
    epochs = _epochs(run, now.progress.epochs_done)
    best = best_epoch(epochs)
    if best is None:
        st.info("Scores begin with the first validation.", icon=":material/hourglass_empty:")
        return
    newest = epochs[-1]
    shown = [best] if best["epoch"] == newest["epoch"] else [newest, best]
    words = {best["epoch"]: "best", newest["epoch"]: "newest"}
    series = [
        charts.Series(f"Epoch {row['epoch']}, {words[row['epoch']]}", row["class_iou"])
        for row in shown
    ]
    _draw("IoU of each class, on the validation frames", charts.iou_bars(series), "classes")


def show_machine(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw what the training uses of the machine."""
    rows = last_resources(run)
    if not rows:
        st.info(
            "The machine is measured every five seconds of a training.",
            icon=":material/hourglass_empty:",
        )
        return
    name, unit = ("Minutes", 60) if rows[-1]["seconds"] > _LONG_SECONDS else ("Seconds", 1)
    times = [row["seconds"] / unit for row in rows]
    figures: list[tuple[str, str, dict[str, list[float | None]]]] = [
        ("Processor", "% of a core", {"Training": [_in(row, "cpu_percent", 1) for row in rows]}),
        ("Memory", "GB", {"Training": [_in(row, "memory_bytes", 1e9) for row in rows]}),
        ("Free on disk", "GB", {"Disk": [_in(row, "disk_free_bytes", 1e9) for row in rows]}),
    ]
    if any(row.get("gpu") for row in rows):
        used = [_of_gpu(row, "memory_used_bytes", 1e9) for row in rows]
        total = [_of_gpu(row, "memory_total_bytes", 1e9) for row in rows]
        busy = [_of_gpu(row, "utilisation", 1) for row in rows]
        figures[:0] = [
            ("GPU", "%", {"In use": busy}),
            ("GPU memory", "GB", {"Used": used, "Total": total}),
        ]
    columns = st.columns(2)
    for position, (title, y_title, lines) in enumerate(figures):
        curves = [charts.Curve(line, times, y, run=i) for i, (line, y) in enumerate(lines.items())]
        with columns[position % 2]:
            figure = charts.line_chart(
                curves, y_title=y_title, x_title=name, height=240, from_zero=True
            )
            _draw(title, figure, f"machine-{position}")


def _of_gpu(row: dict[str, Any], name: str, unit: float) -> float | None:
    return _in(row.get("gpu") or {}, name, unit)


def _in(row: dict[str, Any], name: str, unit: float) -> float | None:
    """A value in this unit; None if it was not measured."""
    value = row.get(name)
    return None if value is None else value / unit


def _draw(title: str, figure: Any, key: str) -> None:
    st.markdown(f"**{title}**")
    st.plotly_chart(figure, config=charts.CONFIG, alt=title, key=f"run-{key}")


def _epochs(run: RunDir, epochs_done: int) -> list[MetricRow]:
    try:
        file = run.metrics_file.stat().st_ino  # folders may change their names
    except OSError:
        return []
    return _read_epochs(run.path, file, epochs_done)


# Reads all rows, which may be many, so only when an epoch has ended; and keeps few, as they may be
# large.
@st.cache_resource(max_entries=3, show_spinner=False)
def _read_epochs(run: Path, file: int, epochs_done: int) -> list[MetricRow]:
    return epoch_rows(RunDir(run).metrics())


def _rows_within_epochs(run: RunDir) -> list[MetricRow]:
    """The newest rows within epochs."""
    try:
        rows, _ = newest_rows(run.metrics_file, _FINE_BYTES)
    except OSError:
        return []
    return step_rows(rows)


def _thinned(rows: list[MetricRow]) -> list[MetricRow]:
    """Every nth row up to the last, `_MOST_POINTS` at most."""
    return rows[:: -(len(rows) // _MOST_POINTS + 1)][::-1]
