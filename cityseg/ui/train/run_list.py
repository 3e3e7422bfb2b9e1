"""The runs there are, each with its state, to choose one from."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple

import streamlit as st

from cityseg.jobs import Entry, JobState, Phase, list_runs
from cityseg.ui import shell
from cityseg.ui.durations import duration
from cityseg.ui.shell import Folders
from cityseg.ui.text import plain

VIEWS: Final = ("Runs", "New run")
#: The state's key of the view that is chosen.
VIEW: Final = "train_view"

_NEXT: Final = "train_next"
_POLL_SECONDS: Final = 2.0
_PAGE: Final = 8
_COLUMNS: Final = (2, 5, 4, 2)


class Look(NamedTuple):
    """How a state is shown: never by its colour alone."""

    word: str
    icon: str
    color: Literal["blue", "gray", "green", "orange", "red", "violet"]


LOOKS: Final[Mapping[Phase, Look]] = {
    "queued": Look("queued", ":material/hourglass_top:", "violet"),
    "starting": Look("starting", ":material/rocket_launch:", "blue"),
    "running": Look("running", ":material/play_circle:", "blue"),
    "stopping": Look("stopping", ":material/pause_circle:", "orange"),
    "done": Look("done", ":material/check_circle:", "green"),
    "stopped": Look("stopped", ":material/stop_circle:", "gray"),
    "failed": Look("failed", ":material/error:", "red"),
    "lost": Look("lost", ":material/help:", "red"),
}
_BROKEN: Final = Look("broken", ":material/broken_image:", "red")


def show_badge(state: JobState | None) -> None:
    """Draw the state of a run; None stands for a folder that has none."""
    look = LOOKS[state.phase] if state else _BROKEN
    st.badge(look.word, icon=look.icon, color=look.color)


def name_of(entry: Entry) -> str:
    """What people call a run."""
    return (entry.config.title if entry.config else "") or entry.id


def show_list(folders: Folders, entries: Sequence[Entry], chosen: str) -> None:
    """Draw the runs; a click on one puts it into the address. Follows those that are at work."""
    live = _live(entries)
    st.fragment(_draw, run_every=_POLL_SECONDS if live else None)(folders, live, chosen)


def _live(entries: Sequence[Entry]) -> set[str]:
    return {entry.id for entry in entries if entry.state and entry.state.is_live}


def _draw(folders: Folders, was_live: set[str], chosen: str) -> None:
    with shell.errors_shown():
        entries = list_runs(folders.runs)
        if _live(entries) != was_live:
            st.rerun()
        pages = -(-len(entries) // _PAGE)
        page = min(st.session_state.get("run_page", 1), pages)
        with st.container(border=True):
            for entry in entries[_PAGE * (page - 1) : _PAGE * page]:
                _show_row(entry, is_chosen=entry.id == chosen)
            if pages > 1:
                st.pagination(pages, key="run_page")


def _show_row(entry: Entry, *, is_chosen: bool) -> None:
    state = entry.state
    badge, name, text, score = st.columns(_COLUMNS, vertical_alignment="center")
    with badge:
        show_badge(state)
    if name.button(
        plain(name_of(entry)),
        key=f"choose-{entry.id}",
        type="secondary" if is_chosen else "tertiary",
        on_click=choose,
        args=(entry.id,),
        help=plain(f"{entry.id}, begun {begun(entry.id)}"),
    ):
        st.rerun()  # what is outside of the fragment, too
    text.caption(plain(_text(entry)))
    if state and state.mean_iou is not None:
        score.caption(f"mean IoU {state.mean_iou:.1%}")


def _text(entry: Entry) -> str:
    if entry.state is None:
        return entry.problem
    left = entry.state.progress.seconds_left
    if entry.state.phase == "running" and left is not None:
        return f"{entry.state.text}, {duration(left)} left"
    return entry.state.text


def choose(run_id: str) -> None:
    """Show this run, in the address too; for callbacks."""
    st.query_params["run"] = run_id
    st.session_state[VIEW] = VIEWS[0]


def open_next(run_id: str) -> None:
    """Show this run in the next run of the script, when this one has drawn what chooses views."""
    st.session_state[_NEXT] = run_id


def choose_view(has_runs: bool) -> str:
    """Draw what chooses between the runs and a new one; returns one of VIEWS."""
    if run_id := st.session_state.pop(_NEXT, None):
        choose(run_id)
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
    """The run that the address names, else the newest at work, else the newest."""
    asked = st.query_params.get("run")
    found = next((entry for entry in entries if entry.id == asked), None)
    if asked and found is None:
        st.warning(f"There is no run {plain(asked)} here.", icon=":material/search_off:")
    at_work = (entry for entry in entries if entry.state and entry.state.is_live)
    return found or next(at_work, entries[0])


def begun(run_id: str) -> str:
    """When a run was made, by its id."""
    with suppress(ValueError):
        made = time.strptime("-".join(run_id.split("-")[:2]), "%Y%m%d-%H%M%S")
        return time.strftime("%d %b %Y, %H:%M", made)
    return "at a time that its name does not tell"
