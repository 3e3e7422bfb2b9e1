"""The figure of what each class lacks to an IoU of 1, by the kind of the errors."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import plotly.graph_objects as go

from cityseg.arrays import FloatArray
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import ERROR_KINDS
from cityseg.ui.charts.iou import swatches
from cityseg.ui.charts.style import GREY, LEGEND, escape
from cityseg.ui.formatting import percent

#: Of boundary, extent and segment errors.
_COLORS: Final = ("#62a0ea", "#f5a623", "#c01c28")
#: By the position of a run: patterns tell runs apart, because colours tell kinds.
_PATTERNS: Final = ("", "/", ".", "x", "-", "+")
_BAR_PIXELS: Final = 14
_GAP_PIXELS: Final = 10


class Errors(NamedTuple):
    """Of one run, (19, 3) shares of the union of each class by kind; NaN where undefined."""

    name: str
    shares: FloatArray


def error_bars(runs: Sequence[Errors], train_ids: Sequence[int]) -> go.Figure:
    """Stacked horizontal bars of the classes `train_ids`, from top to bottom, in groups of runs.

    Clicks select points whose `customdata` begin with (index in `runs`, train id, index of the
    kind).
    """
    names = [CLASS_NAMES[each] for each in train_ids]
    row_pixels = max(1, len(runs)) * _BAR_PIXELS + _GAP_PIXELS
    figure = go.Figure()
    for position, run in enumerate(runs):
        shares = np.nan_to_num(run.shares[list(train_ids)])
        starts = np.cumsum(shares, axis=1) - shares
        for kind in range(len(ERROR_KINDS)):
            figure.add_trace(_bars(run.name, position, kind, train_ids, starts, shares))
    for position, run in enumerate(runs) if len(runs) > 1 else ():
        figure.add_trace(_legend_entry(run.name, position))
    figure.add_trace(swatches(names))
    figure.update_layout(
        height=90 + len(names) * row_pixels,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        bargap=_GAP_PIXELS / row_pixels,
        barmode="group",
        xaxis={"range": (-0.05, 1.02), "tickformat": ".0%", "title": "1 − IoU"},
        yaxis={"categoryarray": names, "autorange": "reversed", "showgrid": False},
        legend=LEGEND | {"traceorder": "normal"},
        hovermode="closest",
        dragmode=False,
    )
    return figure


def _bars(
    name: str,
    position: int,
    kind: int,
    train_ids: Sequence[int],
    starts: FloatArray,
    shares: FloatArray,
) -> go.Bar:
    label = ERROR_KINDS[kind].capitalize()
    return go.Bar(
        # Not a stack of Plotly's: it would stack the bars of several runs on each other.
        x=shares[:, kind].tolist(),
        base=starts[:, kind].tolist(),
        y=[CLASS_NAMES[each] for each in train_ids],
        orientation="h",
        name=label,
        offsetgroup=str(position),
        legendgroup=label,
        showlegend=position == 0,
        marker=_marker(_COLORS[kind], position),
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=[
            (position, train_id, kind, percent(share), percent(total))
            for train_id, share, total in zip(
                train_ids, shares[:, kind].tolist(), shares.sum(axis=1).tolist(), strict=True
            )
        ],
        hovertemplate=(
            f"<b>%{{y}}</b>: {label.lower()} errors %{{customdata[3]}}<br>"
            f"of 1 − IoU = %{{customdata[4]}}<br>{escape(name)}<extra></extra>"
        ),
    )


def _marker(color: str, position: int) -> dict[str, Any]:
    return {
        "color": color,
        "line": {"color": GREY, "width": 1},
        "pattern": {
            "shape": _PATTERNS[position % len(_PATTERNS)],
            "fillmode": "overlay",
            "fgcolor": "#ffffff",
            "size": 6,
        },
    }


def _legend_entry(name: str, position: int) -> go.Bar:
    """No bar: what the pattern of a run means."""
    return go.Bar(
        x=[None], y=[None], orientation="h", name=escape(name), marker=_marker(GREY, position)
    )
