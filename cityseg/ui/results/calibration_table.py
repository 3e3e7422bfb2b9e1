"""The calibration of each class, in the view "How sure?"."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from cityseg.arrays import FloatArray
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import ClassCalibration, ConfidenceCounts, class_calibration
from cityseg.ui.formatting import percent, short_percent
from cityseg.ui.glossary import TERMS, explain
from cityseg.ui.text import cell, plain

#: The columns of a single run with their help; of several runs, only the last is shown of each.
_COLUMNS: Final = {
    "Pixels": "The share of all evaluated pixels that was predicted as this class.",
    "Confidence": "The mean confidence of these pixels.",
    "Right": "The share of these pixels that is right.",
    "Too sure by": "Confidence − right, in points: above 0 the network is too sure, below 0 not "
    "sure enough.",
    "ECE": TERMS["ECE"],
}


def show_class_calibration(runs: Sequence[tuple[str, ConfidenceCounts]]) -> None:
    """A table of the pixels that were predicted as each class; runs by name."""
    found = [(name, class_calibration(counts)) for name, counts in runs]
    columns = _of_one(found[0][1]) if len(found) == 1 else {}
    settings = {name: st.column_config.NumberColumn(help=_COLUMNS[name]) for name in columns}
    if not columns:
        # By position: a name may be that of another run.
        columns = {f"error-{index}": own.error for index, (_, own) in enumerate(found)}
        settings = {
            f"error-{index}": st.column_config.NumberColumn(f"ECE · {cell(name)}")
            for index, (name, _) in enumerate(found)
        }
    means = ", ".join(f"{percent(_mean(own.error))} ({plain(name)})" for name, own in found)
    st.caption(
        f"Calibration of the pixels that were predicted as each class. Mean ECE of the classes: "
        f"{means}",
        help=explain("ECE"),
    )
    table = pd.DataFrame({"Predicted as": list(CLASS_NAMES), **columns})
    formats: dict[str, Any] = {
        **dict.fromkeys(columns, percent),
        "Pixels": short_percent,
        "Too sure by": _points,
    }
    st.dataframe(
        table.style.format({name: formats[name] for name in columns}),
        hide_index=True,
        column_config=settings,
        placeholder="–",
        height=35 * (len(table) + 1) + 3,
        width="content",
        alt="Calibration of the pixels that were predicted as each class",
    )


def _of_one(found: ClassCalibration) -> Mapping[str, FloatArray]:
    total = max(1, int(found.pixels.sum()))
    gap = found.confidence - found.accuracy
    values = (found.pixels / total, found.confidence, found.accuracy, gap, found.error)
    return dict(zip(_COLUMNS, values, strict=True))


def _mean(errors: FloatArray) -> float:
    defined = errors[~np.isnan(errors)]
    return float(defined.mean()) if defined.size else float("nan")


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
