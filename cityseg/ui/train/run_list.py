"""The views of the page Train, and the run that the address names."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from cityseg.jobs import Entry
from cityseg.ui import address
from cityseg.ui.text import plain

VIEWS: Final = ("Runs", "New run")
#: The key of the chosen view in the session's state.
VIEW: Final = "train_view"
#: That of the id of the start that the session waits for.
STARTED: Final = "train_started"
#: The part of the address that holds the tag of the runs to list.
GROUP: Final = "group"
#: That of the id of the run to show.
RUN: Final = "run"


def await_new_run() -> None:
    """Show the list, and no run of it until there is a new one or somebody opens another."""
    st.query_params.pop(RUN, None)
    show_list()


def show_list() -> None:
    """Show the list instead of the form; to be called before the choice is drawn."""
    st.session_state[VIEW] = VIEWS[0]


def open_new_run(run_id: str) -> None:
    """Show a run that was started, unless another was opened since then.

    The view stays: it is the list, unless somebody has gone back to the form.
    """
    st.query_params.setdefault(RUN, run_id)


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
    """The run that the address names, else the newest live one, else the newest.

    Without a run in the address, its group comes before other runs.
    """
    asked = st.query_params.get(RUN)
    found = next((entry for entry in entries if entry.id == asked), None)
    if asked and found is None:
        address.say_missing(f"run {plain(asked)}")
    tag = st.query_params.get(GROUP)
    near = [entry for entry in entries if tag in entry.notes.tags] or entries
    live = (entry for entry in near if entry.state and entry.state.is_live)
    return found or next(live, near[0])
