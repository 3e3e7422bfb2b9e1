"""The figure of class frequencies: a row for each class, a column of bars for each split."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from cityseg.arrays import FloatArray
from cityseg.data import Frequencies
from cityseg.labels import LABEL_IDS_OF_CLASSES, TRAIN_LABELS
from cityseg.ui.charts.style import GREY
from cityseg.ui.formatting import short_percent
from cityseg.wording import counted

MEASURES: Final = ("Pixels", "Images")

_ROW_PIXELS: Final = 24


def class_frequencies(by_split: Mapping[str, Frequencies], measure: str) -> go.Figure:
    """Share of all `measure`, one of MEASURES, with each class, on a logarithmic axis.

    The most frequent class is on top. A class that does not occur has a text in place of a bar.
    """
    shares = {split: _shares(each, measure) for split, each in by_split.items()}
    order = np.argsort(-np.sum(list(shares.values()), axis=0), kind="stable")
    present = np.concatenate([values[values > 0] for values in shares.values()])
    lowest = np.ceil(np.log10(present.min())) - 1  # below all, so that each bar has a length
    titles = [f"{split} · {counted(each.frames, 'frame')}" for split, each in by_split.items()]
    # Bold, as all titles of parts of a figure: the style of the pages makes those stand out.
    bold = [f"<b>{title}</b>" for title in titles]
    figure = make_subplots(1, len(shares), shared_yaxes=True, subplot_titles=bold)
    for title, axis in zip(figure.layout.annotations, figure.select_xaxes(), strict=True):
        title.update(x=axis.domain[0], xanchor="left", font_size=14)
    for column, (split, each) in enumerate(by_split.items(), 1):
        bars = _bars(shares[split][order], order, each, 10**lowest)
        figure.add_trace(bars, row=1, col=column)
    powers = np.arange(0, lowest - 1, -2 if lowest < -3 else -1)
    figure.update_xaxes(
        type="log",
        # Room for the texts behind the longest bars.
        range=(lowest, -0.25 * lowest),
        tickvals=(10.0**powers).tolist(),
        ticktext=[short_percent(float(10.0**power)) for power in powers],
        title=f"Share of the {measure.lower()} (log scale)",
        fixedrange=True,
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True)
    figure.update_layout(
        height=100 + _ROW_PIXELS * len(TRAIN_LABELS),
        margin={"l": 0, "r": 10, "t": 40, "b": 40},
        bargap=0.25,
        showlegend=False,
    )
    return figure


def _shares(frequencies: Frequencies, measure: str) -> FloatArray:
    """(19,) share of the split's pixels or images, by train id."""
    if measure == MEASURES[1]:
        return np.asarray(frequencies.images[LABEL_IDS_OF_CLASSES] / frequencies.frames)
    return np.asarray(frequencies.pixels[LABEL_IDS_OF_CLASSES] / frequencies.pixels.sum())


def _bars(shares: FloatArray, order: Any, frequencies: Frequencies, lowest: float) -> go.Bar:
    labels = [TRAIN_LABELS[train_id] for train_id in order]
    ids = LABEL_IDS_OF_CLASSES[order]
    counts = zip(frequencies.pixels[ids].tolist(), frequencies.images[ids].tolist(), strict=True)
    return go.Bar(
        x=[share or lowest for share in shares.tolist()],
        y=[label.name for label in labels],
        orientation="h",
        text=[short_percent(share) if share else "In no frame" for share in shares.tolist()],
        textposition="outside",
        cliponaxis=False,
        customdata=[(f"{pixels:,}", f"{images:,}") for pixels, images in counts],
        marker={
            "color": [label.css_color for label in labels],
            "line": {"color": GREY, "width": 1},
        },
        hovertemplate=(
            "<b>%{y}</b>: %{text}<br>%{customdata[0]} pixels in %{customdata[1]} images"
            "<extra></extra>"
        ),
    )
