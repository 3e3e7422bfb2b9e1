"""The page Results: the scores of the chosen runs, in one of several views."""

from typing import Final

import streamlit as st

from cityseg.ui.folders import current_folders
from cityseg.ui.network_exports import show_export_menu
from cityseg.ui.results import (
    chosen_runs,
    collecting,
    evaluations,
    evidence_confidence,
    evidence_errors,
    evidence_frames,
    evidence_scores,
    frame_views,
    learning_views,
    region_views,
    robustness_view,
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
#: The views that explain the scores, most of them from evidence.
EVIDENCE_VIEWS: Final = {
    "Scores": evidence_scores.show_scores,
    "Why not 1?": evidence_errors.show_errors,
    "How sure?": evidence_confidence.show_confidence,
    "Which frames?": evidence_frames.show_evidence_frames,
    "Regions": region_views.show_regions,
    "Learning": learning_views.show_learning,
    "Robustness": robustness_view.show_robustness,
}
#: Stands for all EVIDENCE_VIEWS among the VIEWS.
_EVIDENCE: Final = "Evidence"


def show() -> None:
    """Draw the page: which runs are compared, then the chosen view of their scores."""
    comparison = chosen_runs.choose_runs(current_folders())
    if comparison is None:
        return
    view = _asked_view()
    summary.show_summary(comparison.results)
    # In one row, so that the view begins close below the summary.
    with st.container(horizontal=True, vertical_alignment="center"):
        summary.show_note(comparison.results)
        settings.show_settings(comparison.runs)
        saved = {each.name: best for each in comparison.runs if (best := each.run.best).is_file()}
        show_export_menu(comparison.folders, saved)
    summary.show_caveats(comparison.results)
    # Below the view once there is nothing to do: the scores are what people come for.
    explains = view in EVIDENCE_VIEWS
    work = collecting if explains else evaluations
    is_first = work.needs_attention(comparison)
    if is_first:
        work.show(comparison)
    if comparison.results or explains:
        controls = st.container(horizontal=True, vertical_alignment="bottom")
        with controls:
            _choose_view(view)
        (VIEWS | EVIDENCE_VIEWS)[view](comparison, controls)
    if not is_first:
        work.show(comparison)
    if not explains:
        collecting.show(comparison)


def _asked_view() -> str:
    """The view that the address names."""
    asked = st.query_params.get("view")
    return asked if asked in VIEWS or asked in EVIDENCE_VIEWS else next(iter(VIEWS))


def _choose_view(view: str) -> None:
    """Draw the choice of a view; a second one among those of the evidence.

    The address alone holds it. Not st.tabs: it would compute the hidden views as well.
    """
    st.session_state["view_group"] = _EVIDENCE if view in EVIDENCE_VIEWS else view
    _buttons("View", [*VIEWS, _EVIDENCE], "view_group")
    if view in EVIDENCE_VIEWS:
        st.session_state["evidence_view"] = view
        _buttons("Explained by", list(EVIDENCE_VIEWS), "evidence_view")


def _buttons(label: str, options: list[str], key: str) -> None:
    st.segmented_control(label, options, required=True, key=key, on_change=_keep_view, args=(key,))


def _keep_view(key: str) -> None:
    chosen = st.session_state[key]
    st.query_params["view"] = next(iter(EVIDENCE_VIEWS)) if chosen == _EVIDENCE else chosen


if __name__ == "__main__":  # as Streamlit runs it
    show()
