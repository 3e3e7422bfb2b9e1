"""The figure of IoU bars, by class or category."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go

from cityseg.labels import CLASS_NAMES
from cityseg.ui.charts.style import GREY, LEGEND, class_colors, escape, run_color
from cityseg.ui.formatting import percent, short_percent

_UNDEFINED: Final = "Not in these frames"
_BAR_PIXELS: Final = 14
_GAP_PIXELS: Final = 10


class Series(NamedTuple):
    """Scores of one run by name, as fractions of 1; None, NaN and missing names are undefined.

    `provisional` scores, those of the validation in training, are hatched.
    """

    name: str
    values: Mapping[str, float | None]
    provisional: bool = False


def iou_bars(
    series: Sequence[Series],
    names: Sequence[str] = CLASS_NAMES,
    *,
    by_value: bool = False,
    frequency: Mapping[str, float] | None = None,
) -> go.Figure:
    """Horizontal bars of the scores `names`, from top to bottom; those of several runs in groups.

    Class scores of a single run have the colours of the classes; with several runs, each run has
    one colour and the classes show theirs beside their names. `by_value` puts the highest score
    of the first run on top. `frequency` (shares by name) adds bars of its own, on a logarithmic
    axis.
    """
    if by_value and series:
        names = sorted(names, key=lambda name: -_number(series[0].values.get(name), -1.0))
    row_pixels = max(1, len(series)) * _BAR_PIXELS + _GAP_PIXELS
    figure = go.Figure()
    for position, one in enumerate(series):
        figure.add_trace(_bars(one, names, position, in_class_colors=len(series) == 1))
    if len(series) > 1:
        figure.add_trace(swatches(names))
    domain = (0.0, 0.72) if frequency else (0.0, 1.0)
    if frequency:
        figure.add_trace(_frequency_bars(frequency, names, _BAR_PIXELS / row_pixels))
        figure.update_layout(xaxis2=_frequency_axis(frequency, names))
    start = -0.05 if len(series) > 1 else 0.0  # room for the swatches
    figure.update_layout(
        height=90 + len(names) * row_pixels,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        bargap=_GAP_PIXELS / row_pixels,
        barmode="group",
        xaxis={
            "range": (start, 1.12),
            "tickformat": ".0%",
            "domain": domain,
            "title": "IoU",
        },
        yaxis={"categoryarray": names, "autorange": "reversed", "showgrid": False},
        legend=LEGEND | {"traceorder": "normal"},
        showlegend=len(series) > 1,
    )
    return figure


def _bars(one: Series, names: Sequence[str], position: int, *, in_class_colors: bool) -> go.Bar:
    values = [_number(one.values.get(name), math.nan) for name in names]
    texts = [_UNDEFINED if math.isnan(value) else percent(value) for value in values]
    color: Any = run_color(position)
    if in_class_colors:
        color = class_colors(names) or color
    note = "<br>Validation in training" if one.provisional else ""
    return go.Bar(
        # An undefined score is a text where a bar would begin, and no bar.
        x=[0 if math.isnan(value) else value for value in values],
        y=list(names),
        orientation="h",
        name=escape(one.name),
        text=texts,
        textposition="outside",
        textangle=0,
        constraintext="none",
        cliponaxis=False,
        marker={
            "color": color,
            "line": {"color": GREY, "width": 1},
            "pattern": {
                "shape": "/" if one.provisional else "",
                "fillmode": "overlay",
                "fgcolor": "#ffffff",
                "size": 6,
            },
        },
        hovertemplate=f"%{{y}}: %{{text}}<br>{escape(one.name)}{note}<extra></extra>",
    )


def swatches(names: Sequence[str]) -> go.Scatter:
    """The colour of each class, to the left of its bars."""
    colors = class_colors(names)
    return go.Scatter(
        x=[-0.03] * len(colors),
        y=list(names)[: len(colors)],
        mode="markers",
        marker={
            "symbol": "square",
            "size": 10,
            "color": colors,
            "line": {"color": GREY, "width": 1},
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
        name="Share of the pixels",
        text=[short_percent(value) if value else "" for value in values],
        textposition="outside",
        textangle=0,
        cliponaxis=False,
        marker={"color": GREY},
        hovertemplate="%{y}: %{text} of the evaluated pixels<extra></extra>",
        showlegend=False,
        width=width,
        constraintext="none",
        # A group of its own, so that Plotly puts the bar in the middle of the row.
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
        "ticktext": [short_percent(10.0**power) for power in range(-7, 1)],
        "title": "Share of the pixels (log scale)",
    }


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else float(value)
