"""The figure of a confusion matrix, whose cells can be clicked."""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, sample_colorscale, unlabel_rgb

from cityseg.arrays import FloatArray, IntArray
from cityseg.labels import CLASS_NAMES
from cityseg.ui.charts.style import RUN_COLORS, shades
from cityseg.ui.formatting import short_percent

#: The name of the matrix's last column.
IGNORED: Final = "an ignored label"

#: Smaller shares have the same shade.
_FAINTEST: Final = 1e-4
#: On any colour one of the two has a contrast of at least 4.5.
_INKS: Final = ("#000000", "#ffffff")


class _Cells(NamedTuple):
    """A matrix: (19, 19 or 20) shares and pixels, and the names of its rows and columns."""

    shares: FloatArray
    pixels: IntArray
    rows: Sequence[str]
    columns: Sequence[str]


def confusion_matrix(
    shares: FloatArray,
    pixels: IntArray,
    *,
    of: str,
    chosen: tuple[int, int] | None = None,
    dark: bool = False,
) -> go.Figure:
    """Draw (19, 19 or 20) `shares` as shades on a logarithmic scale; row = ground truth.

    `pixels` has the same shape; a cell without a pixel has no shade. `of` names what the shares
    are shares of. Clicks select points of the last trace, whose `customdata` begin with (row,
    column). The cell `chosen` is framed. `dark` suits a dark page: large shares are bright there.
    """
    columns = [*CLASS_NAMES, IGNORED][: shares.shape[1]]
    cells = _Cells(shares, pixels, list(CLASS_NAMES), columns)
    scale = shades(dark=dark)
    figure = go.Figure([_heat(cells, scale), _clickable(cells, of)])
    side: dict[str, Any] = {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
    figure.update_layout(
        height=600,
        margin={"l": 0, "r": 0, "t": 10, "b": 0},
        xaxis=side
        | {"title": "Predicted as", "tickangle": -60, "range": (-0.5, len(columns) - 0.5)},
        yaxis=side | {"title": "Ground truth", "range": (len(CLASS_NAMES) - 0.5, -0.5)},
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        annotations=_numbers(cells, scale),
    )
    for row, column in [chosen] if chosen else []:
        figure.add_shape(
            type="rect",
            x0=column - 0.5,
            x1=column + 0.5,
            y0=row - 0.5,
            y1=row + 0.5,
            line={"color": RUN_COLORS[1], "width": 3},
        )
    return figure


def _shades(cells: _Cells) -> FloatArray:
    """0–1 on the scale of colours, NaN without a pixel."""
    shades = np.full(cells.shares.shape, np.nan)
    some = cells.pixels > 0
    shades[some] = 1 - np.log10(np.maximum(cells.shares[some], _FAINTEST)) / math.log10(_FAINTEST)
    return shades


def _heat(cells: _Cells, scale: Sequence[str]) -> go.Heatmap:
    return go.Heatmap(
        z=_shades(cells),
        x=list(cells.columns),
        y=list(cells.rows),
        hoverinfo="skip",
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        colorscale=list(scale),
        showscale=False,
    )


def _numbers(cells: _Cells, scale: Sequence[str]) -> list[dict[str, Any]]:
    """Shares in percent, from 0.5% on, each in the ink that can be read on its cell.

    As annotations: the text of a heatmap has one colour, and that of points fades when another
    point is selected.
    """
    shades = _shades(cells)
    written = [(row, column) for row, column in np.argwhere(cells.shares >= 0.005).tolist()]
    colors = sample_colorscale(list(scale), [float(shades[place]) for place in written])
    return [
        {
            "x": column,
            "y": row,
            "text": f"{cells.shares[row, column]:.0%}"[:-1],
            "showarrow": False,
            "font": {"size": 11, "color": _ink_on(unlabel_rgb(color))},
        }
        for (row, column), color in zip(written, colors, strict=True)
    ]


def _ink_on(rgb: Sequence[float]) -> str:
    """The ink with the higher contrast."""
    return max(_INKS, key=lambda ink: contrast(hex_to_rgb(ink), rgb))


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """The contrast of two colours (0–255), 1–21, as WCAG 2 defines it."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: Sequence[float]) -> float:
    shares = np.asarray(rgb) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _clickable(cells: _Cells, of: str) -> go.Scatter:
    """Invisible points over the cells: Streamlit gets no selection from a heatmap."""
    shares, pixels = cells.shares, cells.pixels
    places = [(row, column) for row, column in np.ndindex(shares.shape) if pixels[row, column]]
    return go.Scatter(
        x=[cells.columns[column] for _, column in places],
        y=[cells.rows[row] for row, _ in places],
        customdata=[
            (row, column, short_percent(float(shares[row, column])), f"{pixels[row, column]:,}")
            for row, column in places
        ],
        mode="markers",
        marker={"symbol": "square", "size": 26, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate=(
            "<b>%{y}</b> predicted as <b>%{x}</b><br>%{customdata[2]} of "
            f"{of}<br>%{{customdata[3]}} pixels<extra></extra>"
        ),
    )
