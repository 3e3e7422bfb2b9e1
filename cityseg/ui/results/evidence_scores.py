"""The view Scores: every score of the chosen frames, how sure it is, and who is better."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.labels import CLASS_NAMES
from cityseg.metrics import (
    Interval,
    SampledScores,
    class_intervals,
    finite_or_none,
    score_differences,
    score_intervals,
)
from cityseg.ui import address
from cityseg.ui.formatting import bounds, percent, points
from cityseg.ui.glossary import TERMS, explain
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.downloads import show_record_downloads
from cityseg.ui.results.evidence_runs import RunEvidence, choose, sampled
from cityseg.ui.text import cell, plain

#: Column of each score, and the term of the glossary that explains it.
_COLUMNS: Final = {
    "mean_iou": ("Mean IoU", "Mean IoU"),
    "frame_iou": ("mIoU-I", "Mean IoU by frame"),
    "class_frame_iou": ("mIoU-C", "Mean IoU over frames"),
    "worst_10": ("Worst 10%", "Worst frames"),
    "worst_5": ("Worst 5%", "Worst frames"),
    "worst_1": ("Worst 1%", "Worst frames"),
    "boundary_iou": ("Boundary IoU", "Boundary IoU"),
    "instance_iou": ("iIoU", "Instance IoU"),
    "calibration_error": ("ECE", "ECE"),
}
#: The scores that there are by class.
_BY_CLASS: Final = {
    "IoU": "iou",
    "IoU by frame": "frame_iou",
    "Boundary IoU": "boundary_iou",
    "iIoU": "instance_iou",
}


class _Row(NamedTuple):
    """A run with its scores, and their differences to the first run where it is not the first."""

    run: RunEvidence
    scores: SampledScores
    intervals: Mapping[str, Interval]
    differences: Mapping[str, Interval]


def show_scores(comparison: Comparison, controls: DeltaGenerator) -> None:
    """All scores of the chosen frames with their intervals, for all runs and by class."""
    shown = choose(comparison, controls)
    if not shown:
        return
    rows = _rows(shown)
    for row in rows[1:]:
        st.markdown(verdict(row.run.run.name, rows[0].run.run.name, row.differences["mean_iou"]))
    _show_overall(rows)
    st.caption(
        "In brackets the bounds within which a score would lie for other frames of this sort.",
        help=explain("Interval", *dict.fromkeys(term for _, term in _COLUMNS.values())),
    )
    with controls:
        measure = address.one_of(
            "By class",
            list(_BY_CLASS),
            "by_class_score",
            help=explain("IoU", "Mean IoU over frames", "Boundary IoU", "Instance IoU"),
        )
    _show_classes(rows, _BY_CLASS[measure], measure)
    show_record_downloads(controls, "evidence-scores", lambda: _records(rows))


def _rows(shown: Sequence[RunEvidence]) -> list[_Row]:
    first = sampled(shown[0])
    rows = []
    for each in shown:
        scores = sampled(each)
        differences = {} if each is shown[0] else score_differences(first, scores)
        rows.append(_Row(each, scores, score_intervals(scores), differences))
    return rows


def verdict(name: str, first: str, difference: Interval) -> str:
    """In Markdown: whether a run is better than the first, by how much, and how sure that is."""
    name, first = plain(name), plain(first)
    if any(map(math.isnan, difference)):
        return f"**{name}** and **{first}** cannot be compared on these frames."
    half = (difference.high - difference.low) / 2
    size = f"{points(abs(difference.score))} ± {points(half)} points of mean IoU"
    if difference.low > 0 or difference.high < 0:
        which = "better" if difference.score > 0 else "worse"
        return f"**{name}** is {which} than **{first}** by {size}."
    return f"**{name}** and **{first}** cannot be told apart: they differ by {size}."


def _text(interval: Interval) -> str:
    if math.isnan(interval.score):
        return "–"
    return f"{percent(interval.score)} ({bounds(interval.low, interval.high)})"


def _show_overall(rows: Sequence[_Row]) -> None:
    table = pd.DataFrame({"Run": [cell(row.run.run.name) for row in rows]})
    for key, (column, _) in _COLUMNS.items():
        table[column] = [_text(row.intervals[key]) for row in rows]
    columns: dict[str, Any] = {
        column: st.column_config.TextColumn(help=TERMS[term], alignment="right")
        for column, term in _COLUMNS.values()
    }
    st.dataframe(table, hide_index=True, column_config=columns, alt="Scores of the chosen frames")


def _show_classes(rows: Sequence[_Row], key: str, measure: str) -> None:
    table = pd.DataFrame({"Class": list(CLASS_NAMES)})
    columns: dict[str, Any] = {}
    # By position: a name may be that of another column.
    for position, row in enumerate(rows):
        intervals = class_intervals(row.scores, key)
        table[f"score-{position}"] = [each.score for each in intervals]
        table[f"bounds-{position}"] = [
            "" if math.isnan(each.low) else bounds(each.low, each.high) for each in intervals
        ]
        name = cell(row.run.run.name)
        columns[f"score-{position}"] = st.column_config.NumberColumn(name)
        columns[f"bounds-{position}"] = st.column_config.TextColumn(
            "95% interval, %", alignment="right", help=TERMS["Interval"]
        )
        if position:
            first = table["score-0"]
            table[f"difference-{position}"] = 100 * (table[f"score-{position}"] - first)
            columns[f"difference-{position}"] = st.column_config.NumberColumn(
                "Difference", format="%+.1f", help="To the first run, in points."
            )
    scores = [name for name in table.columns if name.startswith("score-")]
    st.dataframe(
        table.style.format(dict.fromkeys(scores, percent)),
        hide_index=True,
        column_config=columns,
        placeholder="–",
        height=35 * (len(CLASS_NAMES) + 1) + 3,
        alt=f"{measure} of each class",
    )


def _records(rows: Sequence[_Row]) -> list[dict[str, Any]]:
    """A record for each score of each run, those by class after the others."""
    records = []
    for row in rows:
        named = {("overall", key): each for key, each in row.intervals.items()}
        for key in _BY_CLASS.values():
            each_class = zip(CLASS_NAMES, class_intervals(row.scores, key), strict=True)
            named |= {(key, name): each for name, each in each_class}
        records += [
            {
                "run": row.run.run.run.id,
                "frames": row.scores.frames,
                "kind": kind,
                "name": name,
                **{field: finite_or_none(value) for field, value in each._asdict().items()},
            }
            for (kind, name), each in named.items()
        ]
    return records
