"""The figure of curves over epochs or time."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import plotly.graph_objects as go

from cityseg.ui.charts.style import LEGEND, MOST_TICKS, escape, run_color, whole_ticks

_MARKERS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x")
#: Markers of more points would cover the line.
_MOST_MARKERS: Final = 60
_EPOCH: Final = "Epoch"
#: Titles of axes whose values are whole numbers.
_COUNTED: Final = (_EPOCH, "Severity")


class Curve(NamedTuple):
    """One line; `run` is the position of its run among those shown and decides the colour."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    run: int = 0
    dashed: bool = False


def line_chart(
    curves: Sequence[Curve],
    *,
    y_title: str,
    percent: bool = False,
    x_title: str = _EPOCH,
    height: int = 320,
    from_zero: bool = False,
) -> go.Figure:
    """Lines over `x`; None and NaN are gaps. Each run has a colour and a marker.

    `from_zero` is for amounts, whose small changes would look large.
    """
    figure = go.Figure([_line(curve, percent=percent) for curve in curves])
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        hovermode="x unified",
        xaxis={"title": x_title, "rangemode": "tozero", **_ticks(curves, x_title)},
        yaxis={
            "title": y_title,
            "tickformat": ".3~p" if percent else None,
            "exponentformat": "none",  # a rate of 0.0001 would be 100μ
            "range": _range_of_one_value(curves, percent=percent),
            "rangemode": "tozero" if from_zero else "normal",
        },
        legend=LEGEND,
        showlegend=len(curves) > 1,
    )
    return figure


def _range_of_one_value(curves: Sequence[Curve], *, percent: bool) -> tuple[float, float] | None:
    """The axis where there is one value alone: Plotly would draw it from one less to one more."""
    values = {y for curve in curves for y in curve.y if y is not None and not math.isnan(y)}
    if len(values) != 1:
        return None
    (value,) = values
    return (0, 1) if percent else (0, 2 * value) if value > 0 else None


def _ticks(curves: Sequence[Curve], x_title: str) -> dict[str, int]:
    if x_title not in _COUNTED:
        return {"nticks": MOST_TICKS}
    return whole_ticks(max((curve.x[-1] for curve in curves if curve.x), default=0))


def _line(curve: Curve, *, percent: bool) -> go.Scatter:
    value = "%{y:.1%}" if percent else "%{y:.4g}"
    return go.Scatter(
        x=list(curve.x),
        y=[None if y is None or math.isnan(y) else y for y in curve.y],
        mode="lines+markers" if len(curve.x) <= _MOST_MARKERS else "lines",
        name=escape(curve.name),
        line={
            "color": run_color(curve.run),
            "width": 2,
            "dash": "dot" if curve.dashed else "solid",
        },
        marker={"symbol": _MARKERS[curve.run % len(_MARKERS)], "size": 6},
        hovertemplate=f"{value}<extra>{escape(curve.name)}</extra>",
    )
