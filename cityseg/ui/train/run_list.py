"""The list of runs on the page Train, to choose one from."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from cityseg.jobs import Entry, list_runs
from cityseg.ui import shell
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import duration, percent
from cityseg.ui.run_labels import about_run, run_name, state_badge
from cityseg.ui.text import capitalised, plain

VIEWS: Final = ("Runs", "New run")
#: The key of the chosen view in the session's state.
VIEW: Final = "train_view"

_POLL_SECONDS: Final = 2.0
_RUNS_PER_PAGE: Final = 8
_COLUMNS: Final = (2, 5, 4, 2)


def show_list(folders: Folders, entries: Sequence[Entry], chosen: str) -> None:
    """Draw the runs, and follow those that are live; a click on one puts it into the address."""
    live = _live(entries)
    # A fragment with `run_every` polls for as long as the page is open: only while a run is live.
    st.fragment(_draw, run_every=_POLL_SECONDS if live else None)(folders, live, chosen)


def _live(entries: Sequence[Entry]) -> set[str]:
    return {entry.id for entry in entries if entry.state and entry.state.is_live}


def _draw(folders: Folders, was_live: set[str], chosen: str) -> None:
    with shell.errors_shown():
        entries = list_runs(folders.runs)
        if _live(entries) != was_live:
            st.rerun()  # of the whole page: a run has started or ended
        pages = -(-len(entries) // _RUNS_PER_PAGE)
        page = min(st.session_state.get("run_page", 1), pages)
        with st.container(border=True):
            for entry in entries[_RUNS_PER_PAGE * (page - 1) : _RUNS_PER_PAGE * page]:
                _show_row(entry, is_chosen=entry.id == chosen)
            if pages > 1:
                st.pagination(pages, key="run_page")


def _show_row(entry: Entry, *, is_chosen: bool) -> None:
    state = entry.state
    badge, name, text, score = st.columns(_COLUMNS, vertical_alignment="center")
    with badge:
        state_badge(state.phase if state else None)
    if name.button(
        plain(run_name(entry)),
        key=f"choose-{entry.id}",
        type="secondary" if is_chosen else "tertiary",
        on_click=choose,
        args=(entry.id,),
        help=plain(about_run(entry.id)),
    ):
        st.rerun()  # of the whole page: the chosen run is drawn outside of this fragment
    text.caption(plain(capitalised(_text(entry))))
    if state and state.mean_iou is not None:
        score.caption(f"Mean IoU {percent(state.mean_iou)}")


def _text(entry: Entry) -> str:
    if entry.state is None:
        return entry.problem
    left = entry.state.progress.seconds_left
    if entry.state.phase == "running" and left is not None:
        return f"{entry.state.text}, {duration(left)} left"
    return entry.state.text


def choose(run_id: str) -> None:
    """Show this run and write it into the address; for callbacks.

    The state of a widget can be set only before the widget is drawn, which callbacks are.
    """
    st.query_params["run"] = run_id
    st.session_state[VIEW] = VIEWS[0]


def choose_view(has_runs: bool) -> str:
    """Draw the choice between the list and the form; returns one of VIEWS."""
    st.session_state.setdefault(VIEW, VIEWS[0 if has_runs else 1])
    chosen = st.segmented_control(
        "View",
        VIEWS,
        required=True,
        key=VIEW,
        persist_state="session",
        label_visibility="collapsed",
    )
    return str(chosen)


def chosen_entry(entries: Sequence[Entry]) -> Entry:
    """The run that the address names, else the newest live one, else the newest."""
    asked = st.query_params.get("run")
    found = next((entry for entry in entries if entry.id == asked), None)
    if asked and found is None:
        st.warning(f"There is no run {plain(asked)} here.", icon=":material/search_off:")
    live = (entry for entry in entries if entry.state and entry.state.is_live)
    return found or next(live, entries[0])
