"""The figure of class shares in one picture."""

from collections.abc import Mapping
from typing import Final

import plotly.graph_objects as go

from cityseg.ui.charts.style import GREY, LEGEND, class_colors
from cityseg.ui.formatting import percent

_ROW_PIXELS: Final = 24
#: Visible on a light and a dark background, and on every colour of the palette.
_TRUTH: Final = "#e66100"


def share_bars(predicted: Mapping[str, float], true: Mapping[str, float]) -> go.Figure:
    """Bars of shares by class name, 0–1, in the colours of the classes, the largest on top.

    Classes without a pixel are left out. `true`, empty without an annotation, adds ticks for the
    shares of the ground truth, whose ignored pixels belong to no class.
    """
    names = sorted(predicted, key=lambda name: (-predicted[name], -true.get(name, 0.0)))
    names = [name for name in names if predicted[name] or true.get(name)]
    figure = go.Figure(
        go.Bar(
            x=[predicted[name] for name in names],
            y=names,
            orientation="h",
            name="Prediction",
            marker={
                "color": class_colors(names),
                "line": {"color": GREY, "width": 1},
            },
            customdata=[_text(predicted[name]) for name in names],
            hovertemplate="%{y}: %{customdata} of the picture<extra>Prediction</extra>",
            showlegend=False,
        )
    )
    if true:
        figure.add_trace(_ticks({name: true[name] for name in names}))
    ends = {name: max(predicted[name], true.get(name, 0.0)) for name in names}
    figure.add_trace(_labels(ends, predicted))
    figure.update_layout(
        height=80 + len(names) * _ROW_PIXELS,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        bargap=0.35,
        xaxis={
            "range": (0, 1.2 * max(ends.values())),
            "tickformat": ".0%",
            "title": "Share of the picture",
        },
        yaxis={"categoryarray": names, "autorange": "reversed", "showgrid": False},
        legend=LEGEND,
        showlegend=bool(true),
    )
    return figure


def _ticks(true: Mapping[str, float]) -> go.Scatter:
    return go.Scatter(
        x=list(true.values()),
        y=list(true),
        mode="markers",
        name="Ground truth",
        marker={
            "symbol": "line-ns",
            "size": _ROW_PIXELS - 6,
            "line": {"color": _TRUTH, "width": 3},
        },
        text=[_text(share) for share in true.values()],
        hovertemplate="%{y}: %{text} of the picture<extra>Ground truth</extra>",
    )


def _labels(ends: Mapping[str, float], predicted: Mapping[str, float]) -> go.Scatter:
    """Labels to the right of both the bar and the tick, so that neither covers them."""
    return go.Scatter(
        x=list(ends.values()),
        y=list(ends),
        mode="text",
        text=[f"  {_text(predicted[name])}" for name in ends],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _text(share: float) -> str:
    """The share as Plotly reads it, which is HTML; one that is not zero is never shown as zero."""
    return "&lt; 0.1%" if 0 < share < 0.0005 else percent(share)
