"""The figure of the frames of each city, with and without masks."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import plotly.graph_objects as go

from cityseg.arrays import BoolArray
from cityseg.data import Catalogue
from cityseg.ui.charts.style import LEGEND, escape, whole_ticks
from cityseg.ui.text import utf8

#: Letters of a city's name that leave room for its bar.
_LONGEST_NAME: Final = 28
_ROW_PIXELS: Final = 24

Place = tuple[str, str]  # split and city


class _Part(NamedTuple):
    """A part of each bar; the hatching tells parts apart without colour."""

    name: str
    frames: BoolArray
    color: str
    hatching: str


def city_bars(catalogue: Catalogue) -> go.Figure:
    """A row for each city of each split; its parts are frames with and without a mask."""
    places = [(frame.split, frame.city) for frame in catalogue.frames]
    order = list(dict.fromkeys(places))
    longest = max(Counter(places).values(), default=0)
    skipped = ~catalogue.converted & ~catalogue.unseen
    parts = (
        _Part("With a mask", catalogue.converted, "#3584e4", ""),
        _Part("Skipped", skipped, "#e66100", "x"),
        _Part("Not converted yet", catalogue.unseen, "#8a8f98", "/"),
    )
    figure = go.Figure([_bars(part, places, order) for part in parts if part.frames.any()])
    figure.update_layout(
        height=80 + _ROW_PIXELS * len(order),
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        barmode="stack",
        bargap=0.3,
        xaxis={
            "title": "Frames",
            "rangemode": "tozero",
            "fixedrange": True,
            **whole_ticks(longest),
        },
        yaxis={"autorange": "reversed", "automargin": True, "dtick": 1, "fixedrange": True},
        legend=LEGEND | {"traceorder": "normal"},
        showlegend=True,
    )
    return figure


def _bars(part: _Part, places: Sequence[Place], order: Sequence[Place]) -> go.Bar:
    counts = Counter(places[position] for position in np.flatnonzero(part.frames).tolist())
    return go.Bar(
        x=[counts[place] for place in order],
        y=[f"{split} · {_short(city)}" for split, city in order],
        orientation="h",
        name=part.name,
        marker={
            "color": part.color,
            "pattern": {
                "shape": part.hatching,
                "fillmode": "overlay",
                "fgcolor": "#ffffff",
                "size": 6,
            },
        },
        hovertemplate=f"{part.name}: %{{x:,}}<extra>%{{y}}</extra>",
    )


def _short(city: str) -> str:
    name = utf8(city)
    return escape(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…")
