"""The best network so far, and what it makes of a frame."""

from collections.abc import Sequence

import streamlit as st

from cityseg.jobs import Entry
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.run_labels import run_name
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain


def best_entry(entries: Sequence[Entry]) -> Entry | None:
    """The run with the highest mean IoU in validation; None if no run has one."""
    scored = [each for each in entries if each.state and each.state.mean_iou is not None]
    return max(scored, key=_mean_iou, default=None)


def show_best_network(entries: Sequence[Entry]) -> None:
    """Draw the name and score of the best network, with a link to try it."""
    best = best_entry(entries)
    if best is None:
        return
    st.markdown(
        f"**Best network:** {plain(run_name(best))}, mean IoU {percent(_mean_iou(best))}",
        help=explain("Mean IoU", "IoU"),
    )
    st.page_link(
        page_file("predict"),
        label="Try it on a picture",
        icon=":material/image_search:",
        query_params={"network_run": best.id},
    )


def _mean_iou(entry: Entry) -> float:
    return (entry.state.mean_iou if entry.state else None) or 0.0
