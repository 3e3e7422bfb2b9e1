"""The view "How sure?": is confidence deserved, and what if only sure pixels were answered?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.labels import CLASS_NAMES
from cityseg.metrics import (
    CONFIDENCE_BINS,
    ConfidenceCounts,
    RiskCoverage,
    answered_confusion,
    finite_or_none,
    reliability,
    risk_coverage,
    scores_from_train_confusion,
)
from cityseg.ui import address, cached, charts
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.results.calibration_table import show_class_calibration
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.downloads import show_record_downloads
from cityseg.ui.results.evidence_pictures import evidence_picture
from cityseg.ui.results.evidence_runs import RunEvidence, choose, choose_run
from cityseg.ui.results.frame_properties import mean_confidence
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import plain, utf8
from cityseg.ui.viewer import viewer

#: The edges of the bins, as the slider shows them.
_THRESHOLDS: Final = [f"{edge / CONFIDENCE_BINS:.0%}" for edge in range(CONFIDENCE_BINS)]


class _Counted(NamedTuple):
    """A run with the counts over the chosen frames, and the curve that follows from them."""

    run: RunEvidence
    counts: ConfidenceCounts
    curve: RiskCoverage


class Answered(NamedTuple):
    """What remains if only pixels of some confidence are answered."""

    coverage: float
    mean_iou: float
    accuracy: float


def show_confidence(comparison: Comparison, controls: DeltaGenerator) -> None:
    """Reliability, risk against coverage, and a threshold with what it leaves out."""
    shown = choose(comparison, controls)
    if not shown:
        return
    runs = [_counted(each) for each in shown]
    with controls:
        name = st.selectbox(
            "Predicted as",
            CLASS_NAMES,
            index=None,
            key="sure_class",
            bind="query-params",
            placeholder="Any class",
            width=200,
            help="Reliability of the pixels that were predicted as this class. That of all pixels "
            "is mostly that of the large classes, such as road.",
        )
    show_record_downloads(controls, "confidence", lambda: _records(runs))
    _look(comparison.folders, runs, name)


@st.fragment
def _look(folders: Folders, runs: Sequence[_Counted], name: str | None) -> None:
    """A fragment, so that the slider does not draw the whole page again."""
    edge = _THRESHOLDS.index(
        st.select_slider(
            "Answer only where the confidence is at least",
            _THRESHOLDS,
            key="least",
            bind="query-params",
            help=explain("Confidence", "Risk and coverage"),
        )
    )
    left, right = st.columns(2, gap="medium")
    with left:
        _show_reliability(runs, name)
    with right:
        _show_risk(runs, edge)
    _show_answered(runs, edge)
    with errors_shown():
        _show_left_out(folders, runs, edge)
    show_class_calibration([(each.run.run.name, each.counts) for each in runs])


def _show_reliability(runs: Sequence[_Counted], name: str | None) -> None:
    curves = [_reliability_curve(each, name, faint=False) for each in runs]
    if name and len(runs) == 1:  # what the class differs from
        curves.insert(0, _reliability_curve(runs[0], None, faint=True))
    errors = ", ".join(
        f"{percent(reliability(each.counts, _train_id(name)).error)} ({plain(each.run.run.name)})"
        for each in runs
    )
    st.plotly_chart(
        charts.reliability_diagram(curves),
        config=charts.CONFIG,
        key="reliability",
        alt="Share of right pixels against the confidence; on the diagonal both are equal",
    )
    st.caption(f"Calibration error: {errors}", help=explain("Reliability", "ECE"))


def _train_id(name: str | None) -> int | None:
    return CLASS_NAMES.index(name) if name else None


def _reliability_curve(each: _Counted, name: str | None, *, faint: bool) -> charts.ReliabilityCurve:
    found = reliability(each.counts, _train_id(name))
    title = "All classes" if faint else f"{each.run.run.name}{f' · {name}' if name else ''}"
    return charts.ReliabilityCurve(
        title, found.confidence, found.accuracy, found.pixels, each.run.position, faint
    )


def _show_risk(runs: Sequence[_Counted], edge: int) -> None:
    curves = [
        charts.RiskCurve(
            each.run.run.name,
            each.curve.coverage,
            each.curve.risk,
            CONFIDENCE_BINS - edge,
            each.run.position,
        )
        for each in runs
    ]
    st.plotly_chart(
        charts.risk_coverage_chart(curves),
        config=charts.CONFIG,
        key="risk",
        alt="Share of wrong pixels against the share of pixels that are answered",
    )
    areas = ", ".join(
        f"{percent(each.curve.excess_area)} ({plain(each.run.run.name)})" for each in runs
    )
    st.caption(f"Area above the best possible curve: {areas}", help=explain("Risk and coverage"))


def answered(histogram: Any, edge: int) -> Answered:
    """The scores of the pixels of a (19, 19, 32) histogram from bin `edge` on."""
    confusion = answered_confusion(histogram, edge / CONFIDENCE_BINS)
    scores = scores_from_train_confusion(confusion)
    pixels = int(histogram.sum())
    coverage = int(confusion.sum()) / pixels if pixels else float("nan")
    return Answered(coverage, scores.mean_iou, scores.pixel_accuracy)


def _show_answered(runs: Sequence[_Counted], edge: int) -> None:
    rows = [answered(each.counts.histogram, edge) for each in runs]
    table = pd.DataFrame(
        {
            "Coverage": [percent(row.coverage) for row in rows],
            "Mean IoU": [percent(row.mean_iou) for row in rows],
            "Right pixels": [percent(row.accuracy) for row in rows],
        },
        index=pd.Index([plain(each.run.run.name) for each in runs], name="Of answered pixels"),
    )
    st.table(table, border="horizontal", width="content", alt="Scores of the answered pixels")


def _show_left_out(folders: Folders, runs: Sequence[_Counted], edge: int) -> None:
    """A frame in whose prediction the pixels below the threshold are hatched."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    run = choose_run([each.run for each in runs], row)
    order = _least_sure_first(run)
    with row:
        name = address.select(
            "Frame, the least sure first",
            [utf8(each) for each in order],
            "unsure",
            lambda each: f"{each.rpartition('/')[2]} · {percent(order.get(each))}",
            width=420,
            help="With the mean confidence of the frame.",
        )
        st.caption("Hatched pixels are left out.", width="content")
    picture = evidence_picture(folders, run, name, least_bin=edge)
    viewer(
        [picture],
        key="left_out",
        layer="prediction",
        pixel_aspect=cached.pixel_aspect(folders.data, folders.masks),
    )


def _least_sure_first(each: RunEvidence) -> Mapping[str, float]:
    """The mean confidence of each chosen frame, by name."""
    means = mean_confidence(each)[each.frames]
    names = [each.evidence.store.names[index] for index in each.frames]
    return {names[index]: float(means[index]) for index in np.argsort(means, kind="stable")}


def _counted(each: RunEvidence) -> _Counted:
    counts = _counts(each.evidence.folder, each.evidence.about.key, each.frames.tobytes(), each)
    return _Counted(each, counts, risk_coverage(counts.histogram))


@st.cache_resource(max_entries=64, show_spinner=False)
def _counts(folder: Path, key: str, frames: bytes, _each: RunEvidence) -> ConfidenceCounts:
    return _each.evidence.confidence(_each.frames)


def _records(runs: Sequence[_Counted]) -> list[dict[str, Any]]:
    """For each threshold and run what is answered."""
    return [
        {
            "run": each.run.run.run.id,
            "frames": len(each.run.frames),
            "least_confidence": edge / CONFIDENCE_BINS,
            **{
                field: finite_or_none(value)
                for field, value in answered(each.counts.histogram, edge)._asdict().items()
            },
        }
        for each in runs
        for edge in range(CONFIDENCE_BINS)
    ]
