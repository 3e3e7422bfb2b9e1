"""The figure of the shares that classes have in one picture."""

from collections.abc import Mapping
from typing import Final

import plotly.graph_objects as go

from cityseg.labels import LABEL_OF_NAME

_ROW_PIXELS: Final = 24
#: Seen on light and on dark ground, and on every colour of the palette.
_TRUTH: Final = "#e66100"


def share_bars(predicted: Mapping[str, float], true: Mapping[str, float]) -> go.Figure:
    """Bars of shares by class name, 0–1, in the colours of the classes, the largest on top.

    Classes without a pixel are left out. What is `true`, where that is known, are ticks on the
    bars; the ignored pixels of an annotation are in none of them.
    """
    names = sorted(predicted, key=lambda name: (-predicted[name], -true.get(name, 0.0)))
    names = [name for name in names if predicted[name] or true.get(name)]
    figure = go.Figure(
        go.Bar(
            x=[predicted[name] for name in names],
            y=names,
            orientation="h",
            name="prediction",
            marker={
                "color": [LABEL_OF_NAME[name].css_color for name in names],
                "line": {"color": "rgba(128,128,128,0.7)", "width": 1},
            },
            customdata=[_percent(predicted[name]) for name in names],
            hovertemplate="%{y}: %{customdata} of the picture<extra>prediction</extra>",
            showlegend=False,
        )
    )
    if true:
        figure.add_trace(_ticks({name: true[name] for name in names}))
    ends = {name: max(predicted[name], true.get(name, 0.0)) for name in names}
    figure.add_trace(_texts(ends, predicted))
    figure.update_layout(
        height=80 + len(names) * _ROW_PIXELS,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        bargap=0.35,
        xaxis={
            "range": (0, 1.2 * max(ends.values())),
            "tickformat": ".0%",
            "title": "share of the picture",
        },
        yaxis={"categoryarray": names, "autorange": "reversed", "showgrid": False},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "title": {"text": ""}},
        showlegend=bool(true),
    )
    return figure


def _ticks(true: Mapping[str, float]) -> go.Scatter:
    return go.Scatter(
        x=list(true.values()),
        y=list(true),
        mode="markers",
        name="ground truth",
        marker={
            "symbol": "line-ns",
            "size": _ROW_PIXELS - 6,
            "line": {"color": _TRUTH, "width": 3},
        },
        text=[_percent(share) for share in true.values()],
        hovertemplate="%{y}: %{text} of the picture<extra>ground truth</extra>",
    )


def _texts(ends: Mapping[str, float], predicted: Mapping[str, float]) -> go.Scatter:
    """Behind the bar and the tick, so that neither covers them."""
    return go.Scatter(
        x=list(ends.values()),
        y=list(ends),
        mode="text",
        text=[f"  {_percent(predicted[name])}" for name in ends],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _percent(share: float) -> str:
    return "under 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
