"""The figures of how a network learned: panes of one frame, and curves of classes over epochs."""

import base64
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import plotly.graph_objects as go

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.data import png
from cityseg.labels import CLASS_NAMES, TRAIN_ID_PALETTE
from cityseg.ui.charts.style import (
    GREY,
    LEGEND,
    RUN_COLORS,
    class_colors,
    shades,
    whole_ticks,
)

#: Of pixels that were never learned.
_NEVER: Final = RUN_COLORS[1]
_LATER: Final = "#8a8f98"
_COLUMNS: Final = 3
_GAP: Final = 0.02  # between panes, as a share of the figure's width
_TITLE_PIXELS: Final = 30
_TITLE: Final = 0.08  # of the lower panes, as a share of the height of all
#: Width by height of a figure of panes, with their titles, whose frames are square.
PANES_ASPECT: Final = 1.35


class LearningPanes(NamedTuple):
    """One frame after one epoch, and how its pixels were learned.

    `image` (H, W, 3) uint8 RGB; `truth` and `prediction` (H, W) uint8 train ids. `epochs` are those
    of the predictions that were compared; `learned` (H, W) holds positions among them, as
    `follow_learning` finds them; `forgotten` (H, W) counts up to the epoch that is shown, the
    `shown`-th; `most_forgotten` ends its colour scale.
    """

    image: Uint8Array
    truth: Uint8Array
    prediction: Uint8Array
    epochs: Sequence[int]
    shown: int
    learned: IntArray
    forgotten: IntArray
    most_forgotten: int


def learning_panes(panes: LearningPanes, *, dark: bool = False) -> go.Figure:
    """Five panes that zoom together; a pointer over the last two reads epochs and counts."""
    height, width = panes.truth.shape
    epoch = panes.epochs[panes.shown]
    pictures = {
        "Photo": png.encode_rgb(panes.image),
        "Truth": png.encode_palette(panes.truth, TRAIN_ID_PALETTE),
        f"Prediction after epoch {epoch}": png.encode_palette(panes.prediction, TRAIN_ID_PALETTE),
    }
    figure = go.Figure()
    for number, content in enumerate(pictures.values()):
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        figure.add_trace(go.Image(source=source, hoverinfo="skip", **_axes_of(number)))
    figure.add_traces(_learned_maps(panes, dark=dark))
    figure.add_trace(_forgotten_map(panes, dark=dark))
    titles = [*pictures, "Learned for good", f"Forgotten by epoch {epoch}"]
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": _TITLE_PIXELS, "b": 0},
        annotations=[_title(number, text) for number, text in enumerate(titles)],
        legend=LEGEND | {"x": _place(5)[0][0], "y": 0},
        uirevision="zoom",  # the zoom stays when another epoch is shown
        plot_bgcolor="rgba(0,0,0,0)",
    )
    for number in range(len(titles)):
        figure.update_layout(_layout_of(number, height, width))
    return figure


def _learned_maps(panes: LearningPanes, *, dark: bool) -> list[go.Heatmap | go.Scatter]:
    """The epochs so far with their scale; pixels that are learned later, and never."""
    learned, count = panes.learned, len(panes.epochs)
    epochs = np.array([*panes.epochs, math.nan], np.float32)[learned]
    is_known = (learned >= 0) & (learned <= panes.shown)
    is_later = (learned > panes.shown) & (learned < count)
    low, high = panes.epochs[0], panes.epochs[-1]
    scale = {"colorscale": list(shades(dark=dark)), "zmin": low, "zmax": max(high, low + 1)}
    return [
        _heat(
            np.where(is_known, epochs, np.nan),
            3,
            "Learned for good by epoch %{z}",
            **scale,
            colorbar=_color_bar("Epoch", 0.95, [low, high]),
        ),
        _heat(np.where(is_later, epochs, np.nan), 3, "Only learned by epoch %{z}", **_one(_LATER)),
        _heat(np.where(learned == count, 1, np.nan), 3, "Never learned", **_one(_NEVER)),
        _swatch("Learned later", _LATER),
        _swatch("Never learned", _NEVER),
    ]


def _forgotten_map(panes: LearningPanes, *, dark: bool) -> go.Heatmap:
    most = max(1, panes.most_forgotten)
    return _heat(
        np.where(panes.forgotten >= 0, panes.forgotten, np.nan),
        4,
        "Forgotten %{z}×",
        colorscale=list(shades(dark=dark)),
        zmin=0,
        zmax=most,
        colorbar=_color_bar("Times forgotten", 0.55, [0, most]),
    )


def _heat(values: FloatArray, number: int, hover: str, **settings: Any) -> go.Heatmap:
    return go.Heatmap(
        z=values.astype(np.float32),
        hoverongaps=False,
        hovertemplate=f"{hover}<br>Column %{{x}}, row %{{y}}<extra></extra>",
        **settings,
        **_axes_of(number),
    )


def _one(color: str) -> dict[str, Any]:
    return {"colorscale": [color, color], "showscale": False}


def _color_bar(title: str, top: float, ticks: Sequence[int]) -> dict[str, Any]:
    """A horizontal scale in the sixth place, `top` of the way up it."""
    (left, right), (low, high) = _place(5)
    return {
        "title": {"text": title, "side": "top"},
        "orientation": "h",
        "x": left,
        "xanchor": "left",
        "y": low + top * (high - low),
        "yanchor": "top",
        "len": (right - left) * 0.9,
        "thickness": 12,
        "tickvals": sorted(set(ticks)),
    }


def _swatch(name: str, color: str) -> go.Scatter:
    """An entry of the legend."""
    marker = {"symbol": "square", "size": 12, "color": color}
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, **_axes_of(3))


def _place(number: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a pane lies, from left to right and from bottom to top, 0–1."""
    row, column = divmod(number, _COLUMNS)
    width = (1 - _GAP * (_COLUMNS - 1)) / _COLUMNS
    left = column * (width + _GAP)
    height = (1 - _TITLE) / 2
    bottom = 0.0 if row else 1 - height
    return (left, left + width), (bottom, bottom + height)


def _axes_of(number: int) -> dict[str, str]:
    suffix = str(number + 1) if number else ""
    return {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}


def _layout_of(number: int, height: int, width: int) -> dict[str, Any]:
    """The axes of a pane: one pixel is square, and all panes show the same part."""
    axes = _axes_of(number)
    across, down = _place(number)
    common = {"visible": False, "constrain": "domain"}
    x_axis = common | {"domain": across, "range": (-0.5, width - 0.5), "anchor": axes["yaxis"]}
    y_axis = common | {
        "domain": down,
        "range": (height - 0.5, -0.5),
        "anchor": axes["xaxis"],
        "scaleanchor": axes["xaxis"],
        "constraintoward": "top",
    }
    if number:
        x_axis["matches"], y_axis["matches"] = "x", "y"
    return {
        f"{name[0]}axis{name[1:]}": axis
        for name, axis in zip(axes.values(), (x_axis, y_axis), strict=True)
    }


def _title(number: int, text: str) -> dict[str, Any]:
    (left, _), (_, top) = _place(number)
    place = {"x": left, "xanchor": "left", "y": top, "yanchor": "bottom"}
    return place | {"xref": "paper", "yref": "paper", "text": f"<b>{text}</b>", "showarrow": False}


def learning_curves(epochs: Sequence[int], shares: FloatArray, together: FloatArray) -> go.Figure:
    """The (E, 19) shares of each class that are learned by each epoch, and those of all (E,).

    Classes without a pixel, NaN, are left out.
    """
    present = [index for index in range(len(CLASS_NAMES)) if not np.isnan(shares[0, index])]
    names = [CLASS_NAMES[index] for index in present]
    figure = go.Figure(
        [
            _curve(name, color, epochs, shares[:, index], width=2)
            for index, name, color in zip(present, names, class_colors(names), strict=True)
        ]
    )
    figure.add_trace(_curve("All classes", GREY, epochs, together, width=4))
    figure.update_layout(
        height=500,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        xaxis={"title": "Epoch", **whole_ticks(epochs[-1])},
        yaxis={"title": "Learned for good", "tickformat": ".3~p", "rangemode": "tozero"},
        legend=LEGEND | {"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"},
    )
    return figure


def _curve(
    name: str, color: str, epochs: Sequence[int], shares: FloatArray, *, width: int
) -> go.Scatter:
    return go.Scatter(
        x=list(epochs),
        y=shares.tolist(),
        name=name,
        mode="lines+markers",
        line={"color": color, "width": width},
        hovertemplate="%{y:.1%} by epoch %{x}<extra>" + name + "</extra>",
    )
