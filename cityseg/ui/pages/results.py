"""The page Results: the scores of the chosen runs, in one of several views."""

from typing import Final

import streamlit as st

from cityseg.ui import address
from cityseg.ui.folders import current_folders
from cityseg.ui.results import (
    chosen_runs,
    evaluations,
    frame_views,
    score_views,
    settings,
    summary,
)

VIEWS: Final = {
    "Classes": score_views.show_classes,
    "History": score_views.show_history,
    "Confusion": frame_views.show_confusion,
    "Frames": frame_views.show_frames,
    "Table": score_views.show_table,
}


def show() -> None:
    """Draw the page: which runs are compared, then the chosen view of their scores."""
    comparison = chosen_runs.choose_runs(current_folders())
    if comparison is None:
        return
    summary.show_summary(comparison.results)
    settings.show_settings(comparison.runs)
    # Below the scores once there is nothing to do: they are what people come for.
    is_first = evaluations.needs_attention(comparison)
    if is_first:
        evaluations.show_evaluations(comparison)
    if comparison.results:
        controls = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
        with controls:
            # Not st.tabs: it would compute all views at every run, the hidden ones as well.
            view = address.one_of("View", list(VIEWS), "view")
        VIEWS[view](comparison, controls)
    if not is_first:
        evaluations.show_evaluations(comparison)


if __name__ == "__main__":  # as Streamlit runs it
    show()
