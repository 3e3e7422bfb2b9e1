"""The figure of frames as points: a score against a property, each of which can be clicked."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from cityseg.arrays import FloatArray
from cityseg.ui.charts.style import LEGEND, escape, run_color


class FramePoints(NamedTuple):
    """Frames of one run: names, the property `x` and the score `y` of each, NaN where undefined."""

    run_name: str
    names: Sequence[str]
    x: FloatArray
    y: FloatArray
    run: int = 0


class Axis(NamedTuple):
    """What an axis shows, and whether its values are shares of 1."""

    title: str
    percent: bool


def frame_scatter(
    runs: Sequence[FramePoints], x_axis: Axis, y_axis: Axis, *, chosen: str | None = None
) -> go.Figure:
    """Points whose `customdata` begin with (index in `runs`, name); `chosen` is ringed."""
    figure = go.Figure(
        [_points(position, run, x_axis, y_axis) for position, run in enumerate(runs)]
    )
    for run in runs:
        if chosen and chosen in run.names:
            figure.add_trace(_ring(run, list(run.names).index(chosen)))
    figure.update_layout(
        height=300,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        hovermode="closest",
        xaxis={"title": x_axis.title, "tickformat": ".3~p" if x_axis.percent else None},
        yaxis={"title": y_axis.title, "tickformat": ".3~p" if y_axis.percent else None},
        legend=LEGEND,
        showlegend=len(runs) > 1,
        dragmode=False,
    )
    return figure


def _points(position: int, run: FramePoints, x_axis: Axis, y_axis: Axis) -> go.Scatter:
    color = run_color(run.run)
    texts = f"{_text(y_axis, 'y')} · {_text(x_axis, 'x')}"
    return go.Scatter(
        x=run.x.tolist(),
        y=run.y.tolist(),
        mode="markers",
        name=escape(run.run_name),
        marker={"size": 9, "color": color, "opacity": 0.75},
        selected={"marker": {"opacity": 0.75}},
        unselected={"marker": {"opacity": 0.75}},
        customdata=[(position, name, escape(name.rpartition("/")[2])) for name in run.names],
        hovertemplate=f"<b>%{{customdata[2]}}</b><br>{texts}<extra>{escape(run.run_name)}</extra>",
    )


def _text(axis: Axis, of: str) -> str:
    return f"{escape(axis.title)} %{{{of}:{'.1%' if axis.percent else '.4~g'}}}"


def _ring(run: FramePoints, index: int) -> go.Scatter:
    return go.Scatter(
        x=[run.x[index]],
        y=[run.y[index]],
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 18,
            "color": run_color(run.run),
            "line": {"width": 3},
        },
        hoverinfo="skip",
        showlegend=False,
    )
