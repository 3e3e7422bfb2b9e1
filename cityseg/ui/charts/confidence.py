"""Figures of how sure a network is: reliability, and risk against coverage."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import plotly.graph_objects as go

from cityseg.arrays import FloatArray, IntArray
from cityseg.ui.charts.style import GREY, LEGEND, escape, run_color
from cityseg.ui.formatting import percent, short_percent

_HEIGHT: Final = 340
_SMALLEST, _LARGEST = 4.0, 22.0  # of markers, in pixels


class ReliabilityCurve(NamedTuple):
    """By confidence bin: mean confidence, share of right pixels, NaN where empty, and pixels."""

    name: str
    confidence: FloatArray
    accuracy: FloatArray
    pixels: IntArray
    run: int = 0
    faint: bool = False


class RiskCurve(NamedTuple):
    """Coverage and the risk there; `at` is the index of the point that is marked."""

    name: str
    coverage: FloatArray
    risk: FloatArray
    at: int
    run: int = 0


def reliability_diagram(curves: Sequence[ReliabilityCurve]) -> go.Figure:
    """Right pixels against confidence, with the diagonal; markers are as large as their pixels."""
    diagonal = go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    figure = go.Figure([diagonal, *map(_reliability_line, curves)])
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        hovermode="closest",
        xaxis={"title": "Confidence", "range": (-0.02, 1.04), "tickformat": ".0%"},
        yaxis={"title": "Right pixels", "range": (-0.02, 1.04), "tickformat": ".0%"},
        legend=LEGEND,
        showlegend=len(curves) > 1,
        dragmode=False,
    )
    return figure


def _reliability_line(curve: ReliabilityCurve) -> go.Scatter:
    some = curve.pixels > 0
    shares = curve.pixels[some] / max(1, int(curve.pixels.sum()))
    # As areas: the largest bins have most of the pixels.
    sizes = _SMALLEST + (_LARGEST - _SMALLEST) * np.sqrt(shares)
    color = GREY if curve.faint else run_color(curve.run)
    return go.Scatter(
        x=curve.confidence[some].tolist(),
        y=curve.accuracy[some].tolist(),
        mode="lines+markers",
        name=escape(curve.name),
        line={"color": color, "width": 2},
        marker={"size": sizes.tolist(), "color": color, "opacity": 0.75},
        customdata=[
            (percent(sure), percent(right), short_percent(share))
            for sure, right, share in zip(
                curve.confidence[some].tolist(),
                curve.accuracy[some].tolist(),
                shares.tolist(),
                strict=True,
            )
        ],
        hovertemplate=(
            "Confidence %{customdata[0]}, right %{customdata[1]}<br>%{customdata[2]} of the pixels"
            f"<extra>{escape(curve.name)}</extra>"
        ),
    )


def risk_coverage_chart(curves: Sequence[RiskCurve]) -> go.Figure:
    """The share of wrong pixels among those answered, against the share that is answered."""
    figure = go.Figure([_risk_line(curve) for curve in curves])
    for curve in curves:
        figure.add_trace(_mark(curve))
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        hovermode="closest",
        xaxis={"title": "Coverage: answered pixels", "range": (0, 1.03), "tickformat": ".0%"},
        yaxis={"title": "Risk: wrong among them", "rangemode": "tozero", "tickformat": ".1%"},
        legend=LEGEND,
        showlegend=len(curves) > 1,
        dragmode=False,
    )
    return figure


def _risk_line(curve: RiskCurve) -> go.Scatter:
    return go.Scatter(
        x=curve.coverage[1:].tolist(),
        y=curve.risk[1:].tolist(),
        mode="lines",
        name=escape(curve.name),
        line={"color": run_color(curve.run), "width": 2},
        hovertemplate=f"%{{y:.1%}} of %{{x:.1%}} wrong<extra>{escape(curve.name)}</extra>",
    )


def _mark(curve: RiskCurve) -> go.Scatter:
    return go.Scatter(
        x=[curve.coverage[curve.at]],
        y=[curve.risk[curve.at]],
        mode="markers",
        marker={
            "size": 13,
            "color": run_color(curve.run),
            "line": {"color": "#ffffff", "width": 2},
        },
        hoverinfo="skip",
        showlegend=False,
    )
