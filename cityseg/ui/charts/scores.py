"""Figures from numbers: bars of IoU, and curves over epochs.

Colours of classes are those of the label table, with the class's name beside each. Everything else
has colours that are told apart on light and dark ground, and by people who see few colours.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME

#: For `st.plotly_chart(config=…)`: no buttons over the figure, and no zooming by the wheel.
CONFIG: Final[dict[str, Any]] = {"displayModeBar": False, "scrollZoom": False}
#: By the place of a run among those shown.
RUN_COLORS: Final = ("#3584e4", "#e66100", "#26a269", "#c061cb", "#b5835a", "#8a8f98")

_ABSENT: Final = "not in these frames"
_GREY: Final = "rgba(128,128,128,0.7)"
_MARKERS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_BAR_PIXELS: Final = 14
_GAP_PIXELS: Final = 10


class Series(NamedTuple):
    """Scores of one run by name, as fractions of 1; None, NaN and what is missing are undefined.

    `provisional` ones are hatched: those of the validation in training.
    """

    name: str
    values: Mapping[str, float | None]
    provisional: bool = False


class Curve(NamedTuple):
    """One line; `run` is the place of its run among those shown and decides the colour."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    run: int = 0
    dashed: bool = False


def iou_bars(
    series: Sequence[Series],
    names: Sequence[str] = CLASS_NAMES,
    *,
    by_value: bool = False,
    frequency: Mapping[str, float] | None = None,
) -> go.Figure:
    """Horizontal bars of the scores called `names`, from top to bottom; several runs in groups.

    A single run of class scores has the colours of the classes; with several, each run has one
    colour and the classes show theirs beside their names. `by_value` puts the highest of the
    first run on top. `frequency` (shares by name) adds bars of its own, on a logarithmic axis.
    """
    if by_value and series:
        names = sorted(names, key=lambda name: -_number(series[0].values.get(name), -1.0))
    row_pixels = max(1, len(series)) * _BAR_PIXELS + _GAP_PIXELS
    figure = go.Figure()
    for place, one in enumerate(series):
        figure.add_trace(_bars(one, names, place, in_class_colors=len(series) == 1))
    figure.add_trace(_swatches(names))
    domain = (0.0, 0.72) if frequency else (0.0, 1.0)
    if frequency:
        figure.add_trace(_frequency_bars(frequency, names, _BAR_PIXELS / row_pixels))
        figure.update_layout(xaxis2=_frequency_axis(frequency, names))
    figure.update_layout(
        height=90 + len(names) * row_pixels,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        bargap=_GAP_PIXELS / row_pixels,
        barmode="group",
        xaxis={"range": (-0.03, 1.12), "tickformat": ".0%", "domain": domain, "title": "IoU"},
        yaxis={"categoryarray": names, "autorange": "reversed", "showgrid": False},
        legend=_LEGEND | {"traceorder": "normal"},
        showlegend=len(series) > 1,
    )
    return figure


_LEGEND: Final = {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "title": {"text": ""}}


def _bars(one: Series, names: Sequence[str], place: int, *, in_class_colors: bool) -> go.Bar:
    values = [_number(one.values.get(name), math.nan) for name in names]
    texts = [_ABSENT if math.isnan(value) else f"{value:.1%}" for value in values]
    color: Any = RUN_COLORS[place % len(RUN_COLORS)]
    if in_class_colors:
        color = _class_colors(names) or color
    note = "<br>validation in training" if one.provisional else ""
    return go.Bar(
        # An undefined score is a text where a bar would begin, and no bar.
        x=[0 if math.isnan(value) else value for value in values],
        y=list(names),
        orientation="h",
        name=_escape(one.name),
        text=texts,
        textposition="outside",
        textangle=0,
        constraintext="none",
        cliponaxis=False,
        marker={
            "color": color,
            "line": {"color": _GREY, "width": 1},
            "pattern": {
                "shape": "/" if one.provisional else "",
                "fillmode": "overlay",
                "fgcolor": "#ffffff",
                "size": 6,
            },
        },
        hovertemplate=f"%{{y}}: %{{text}}<br>{_escape(one.name)}{note}<extra></extra>",
    )


def _swatches(names: Sequence[str]) -> go.Scatter:
    """The colour of each class, left of where its bars begin."""
    colors = _class_colors(names)
    return go.Scatter(
        x=[-0.018] * len(colors),
        y=list(names)[: len(colors)],
        mode="markers",
        marker={
            "symbol": "square",
            "size": 10,
            "color": colors,
            "line": {"color": _GREY, "width": 1},
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _frequency_bars(frequency: Mapping[str, float], names: Sequence[str], width: float) -> go.Bar:
    values = [_number(frequency.get(name), 0.0) for name in names]
    return go.Bar(
        x=[value or None for value in values],
        y=list(names),
        xaxis="x2",
        orientation="h",
        name="share of the pixels",
        text=[as_percent(value) if value else "" for value in values],
        textposition="outside",
        textangle=0,
        cliponaxis=False,
        marker={"color": _GREY},
        hovertemplate="%{y}: %{text} of the evaluated pixels<extra></extra>",
        showlegend=False,
        width=width,
        constraintext="none",
        # In a group of its own, which lies in the middle of the row.
        offsetgroup="frequency",
        alignmentgroup="frequency",
    )


def _frequency_axis(frequency: Mapping[str, float], names: Sequence[str]) -> dict[str, Any]:
    least = min((v for name in names if (v := frequency.get(name, 0.0)) > 0), default=0.01)
    return {
        "type": "log",
        "domain": (0.77, 1.0),
        "range": (math.floor(math.log10(least)), 0.8),
        "tickvals": [10.0**power for power in range(-7, 1)],
        "ticktext": [as_percent(10.0**power) for power in range(-7, 1)],
        "title": "share of the pixels",
    }


def history(
    curves: Sequence[Curve],
    *,
    y_title: str,
    percent: bool = False,
    x_title: str = "epoch",
    height: int = 320,
) -> go.Figure:
    """Lines over epochs; what is undefined is a gap. Each run has a colour and a marker."""
    figure = go.Figure()
    value = "%{y:.2%}" if percent else "%{y:.4g}"
    for curve in curves:
        figure.add_trace(
            go.Scatter(
                x=list(curve.x),
                y=[None if math.isnan(y := _number(each, math.nan)) else y for each in curve.y],
                mode="lines+markers" if len(curve.x) <= 60 else "lines",
                name=_escape(curve.name),
                line={
                    "color": RUN_COLORS[curve.run % len(RUN_COLORS)],
                    "width": 2,
                    "dash": "dot" if curve.dashed else "solid",
                },
                marker={"symbol": _MARKERS[curve.run % len(_MARKERS)], "size": 6},
                hovertemplate=f"{value}<extra>{_escape(curve.name)}</extra>",
            )
        )
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        hovermode="x unified",
        xaxis={"title": x_title, "rangemode": "tozero", "nticks": 12},
        yaxis={"title": y_title, "tickformat": ".0%" if percent else None},
        legend=_LEGEND,
        showlegend=len(curves) > 1,
    )
    return figure


def _class_colors(names: Sequence[str]) -> list[str]:
    """The palette's colours of classes; empty where `names` are not those of classes."""
    if not set(names) <= set(CLASS_NAMES):  # sky is a category too
        return []
    return [LABEL_OF_NAME[name].css_color for name in names]


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else float(value)


def as_percent(share: float) -> str:
    """A share with two digits, however small."""
    if share >= 0.0995:
        return f"{share:.0%}"
    return f"{100 * share:.2g}%" if share >= 1e-6 else f"{100 * share:.0e}%"


def _escape(text: str) -> str:
    """Text that a person typed, for a figure: no markup, no placeholders, no formula."""
    return (
        html.escape(text, quote=False)
        .replace("%", "&#37;")
        .replace("$", "&#36;")
        .replace("\n", " ")
    )
