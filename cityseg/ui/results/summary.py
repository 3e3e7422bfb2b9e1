"""The first table of the page Results: a row of mean scores for each run."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
import streamlit as st

from cityseg.evaluation import RunScores, comparison_caveats
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.text import capitalised, plain

#: The columns of mean scores, by terms of the glossary.
_MEANS: Final[dict[str, Callable[[RunScores], float | None]]] = {
    "Mean IoU": lambda scores: scores.mean_iou,
    "Pixel accuracy": lambda scores: scores.pixel_accuracy,
    "Category IoU": lambda scores: scores.mean_category_iou,
    "Instance IoU": lambda scores: scores.mean_instance_iou,
}


def show_summary(results: Sequence[RunScores]) -> None:
    """Draw the mean scores of each run."""
    if not results:
        return
    names = [plain(result.name) for result in results]
    table = pd.DataFrame(
        {
            "Source": [capitalised(result.source) for result in results],
            "Epoch": [result.epoch for result in results],
            "Frames": pd.array([result.frames for result in results], dtype="Int64"),
            **{
                name: pd.array([_number(score(result)) for result in results], dtype="float64")
                for name, score in _MEANS.items()
            },
        },
        index=pd.Index(names, name="Run"),
    )
    first = table.iloc[0]
    formats = {name: difference_text(float(first[name])) for name in _MEANS}
    with st.container(key="summary"):  # stays below the header when the page is scrolled
        st.table(
            table.style.format(formats | {"Frames": "{:,}"}, na_rep="–"),
            border="horizontal",
            alt="Mean scores of each run",
        )


def show_note(results: Sequence[RunScores]) -> None:
    """Draw what the numbers of the summary are."""
    if results:
        note = "The small numbers are differences to the first run, in points."
        about = note if len(results) > 1 else "What these scores are"
        st.caption(about, help=explain(*_MEANS), width="content")


def show_caveats(results: Sequence[RunScores]) -> None:
    """Draw why the scores cannot be compared, if so."""
    for caveat in comparison_caveats(results):
        st.warning(plain(caveat), icon=":material/balance:")


def _number(score: float | None) -> float:
    return math.nan if score is None else score


def difference_text(first: float) -> Callable[[float], str]:
    """A formatter: the score as a share, and by how many points it differs from `first`."""

    def text(score: float) -> str:
        points = round(100 * (score - first), 1) if not math.isnan(score - first) else 0.0
        color = "green" if points > 0 else "red"
        return percent(score) + (f" :small[:{color}[{points:+.1f}]]" if points else "")

    return text
