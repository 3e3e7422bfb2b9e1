"""A task on a page: how far it is, a button that stops it, and how it ended."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from cityseg.jobs import Task, TaskState
from cityseg.ui import cached, shell
from cityseg.ui.text import plain

_POLL_SECONDS: Final = 0.5
#: Where it is not the unit's name with an s.
_UNITS: Final = {"B": "MB"}
_PARTLY: Final = "Done, but some was left out: see what it printed."


def show(task: Task, *, key: str, done: str = "", partly: str = _PARTLY) -> TaskState:
    """Draw the task where the script is; nothing if it was never started.

    While it lives its part of the page is drawn anew by itself, and at its end the whole page,
    once. `done` and `partly`, Markdown, are said when it has done everything, or something; where
    they are empty nothing is. Returns the state at this run of the script. Raises RunError.
    """
    state = task.state()
    if state.phase != "never":
        every = _POLL_SECONDS if state.lives else None
        st.fragment(_draw, run_every=every)(
            task, key, state.lives, {"done": done, "partly": partly}
        )
    return state


def _draw(task: Task, key: str, was_live: bool, said: Mapping[str, str]) -> None:
    with shell.errors_shown():
        state = task.state()
        if was_live and not state.lives:
            cached.forget_frames()
            st.rerun()
        if state.lives:
            _draw_progress(task, state, key)
        elif not _draw_end(state, said):
            return
        with st.expander("What it printed", icon=":material/terminal:"):
            st.code(task.log() or "nothing yet", language=None, wrap_lines=True)


def _draw_progress(task: Task, state: TaskState, key: str) -> None:
    bar, button = st.columns([6, 1], vertical_alignment="center")
    share = min(state.done / state.total, 1.0) if state.total else 0.0
    bar.progress(share, text=in_words(state))
    is_stopping = state.phase == "stopping"
    if button.button(
        "Kill" if is_stopping else "Stop",
        key=f"{key}-stop",
        icon=":material/stop_circle:",
        help="End it at once" if is_stopping else "What is finished is kept",
        width="stretch",
    ):
        task.stop()
        st.rerun(scope="fragment")


def _draw_end(state: TaskState, said: Mapping[str, str]) -> bool:
    """Say how it ended; False if nothing is to be said."""
    if state.phase == "failed":
        st.error(plain(state.sentence), icon=":material/error:")
    elif state.phase == "stopped":
        st.info("Stopped. What was finished is kept.", icon=":material/stop_circle:")
    elif state.phase == "died":
        st.error(
            "Ended without a result: it was killed, or the machine went down. What was finished "
            "is kept; start it again.",
            icon=":material/error:",
        )
    elif text := said[state.phase]:
        box, icon = (st.success, "check_circle") if state.phase == "done" else (st.warning, "rule")
        box(text, icon=f":material/{icon}:")
    else:
        return False
    return True


def in_words(state: TaskState) -> str:
    """How far a living task is: `Converting · 120 of 5,000 frames · 180 a second · 27 s left`."""
    parts = ["Stopping" if state.phase == "stopping" else state.what or "Starting"]
    if state.total:
        done, total = _amount(state.done, state.unit), _amount(state.total, state.unit)
        parts.append(f"{done} of {total} {_UNITS.get(state.unit, f'{state.unit}s')}")
    if state.rate:
        parts.append(f"{_amount(state.rate, state.unit)} a second")
    if state.seconds_left is not None and state.phase == "running":
        parts.append(f"{_duration(state.seconds_left)} left")
    return plain(" · ".join(parts))


def _amount(number: float, unit: str) -> str:
    if unit == "B":
        number /= 1e6
    return f"{number:,.1f}" if 0 < number < 10 and number % 1 else f"{number:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
