"""The figure of a confusion matrix, whose cells can be clicked."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from cityseg.arrays import FloatArray, IntArray
from cityseg.labels import CLASS_NAMES
from cityseg.ui.charts.style import RUN_COLORS
from cityseg.ui.formatting import short_percent

#: The name of the matrix's last column.
IGNORED: Final = "an ignored label"

#: Smaller shares have the same shade.
_FAINTEST: Final = 1e-4
_SHADES: Final = ((0.0, "#e3ecf7"), (0.25, "#a9c8ea"), (0.5, "#5e9bd8"), (0.75, "#2763a8"))
_SHADES_TO_DEEPEST: Final = (*_SHADES, (1.0, "#0b2447"))


def confusion_matrix(
    shares: FloatArray,
    pixels: IntArray,
    *,
    of: str,
    chosen: tuple[int, int] | None = None,
) -> go.Figure:
    """Draw (19, 19 or 20) `shares` as shades on a logarithmic scale; row = ground truth.

    `pixels` has the same shape; a cell without a pixel has no shade. `of` names what the shares
    are shares of. Clicks select points of the last trace, whose `customdata` begin with (row,
    column). The cell `chosen` is framed.
    """
    columns = [*CLASS_NAMES, IGNORED][: shares.shape[1]]
    rows = list(CLASS_NAMES)
    shades = np.full(shares.shape, np.nan)
    some = pixels > 0
    shades[some] = np.log10(np.maximum(shares[some], _FAINTEST))
    figure = go.Figure(
        [_heat(shades, shares, rows, columns), _clickable(shares, pixels, rows, columns, of)]
    )
    side: dict[str, Any] = {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
    figure.update_layout(
        height=600,
        margin={"l": 0, "r": 0, "t": 10, "b": 0},
        xaxis=side
        | {"title": "Predicted as", "tickangle": -60, "range": (-0.5, len(columns) - 0.5)},
        yaxis=side | {"title": "Ground truth", "range": (len(rows) - 0.5, -0.5)},
        showlegend=False,
        hovermode="closest",
        dragmode=False,
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


def _heat(
    shades: FloatArray, shares: FloatArray, rows: Sequence[str], columns: Sequence[str]
) -> go.Heatmap:
    lowest = round(math.log10(_FAINTEST))
    texts = [[f"{share:.0%}"[:-1] if share >= 0.005 else "" for share in row] for row in shares]
    return go.Heatmap(
        z=shades,
        x=list(columns),
        y=list(rows),
        text=texts,
        texttemplate="%{text}",
        textfont={"size": 10},
        hoverinfo="skip",
        zmin=lowest,
        zmax=0,
        xgap=1,
        ygap=1,
        colorscale=list(_SHADES_TO_DEEPEST),
        showscale=False,
    )


def _clickable(
    shares: FloatArray,
    pixels: IntArray,
    rows: Sequence[str],
    columns: Sequence[str],
    of: str,
) -> go.Scatter:
    """Invisible points over the cells: Streamlit gets no selection from a heatmap."""
    cells = [(row, column) for row, column in np.ndindex(shares.shape) if pixels[row, column]]
    return go.Scatter(
        x=[columns[column] for _, column in cells],
        y=[rows[row] for row, _ in cells],
        customdata=[
            (row, column, short_percent(float(shares[row, column])), f"{pixels[row, column]:,}")
            for row, column in cells
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
