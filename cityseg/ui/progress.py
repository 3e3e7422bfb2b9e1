"""A long task on a page: its progress, a button that stops it, and how it ended."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from cityseg.jobs import Task, TaskState
from cityseg.ui import cached, shell
from cityseg.ui.formatting import duration
from cityseg.ui.text import capitalised, plain, sentence

_POLL_SECONDS: Final = 0.5
_PARTLY: Final = "Done, but some items were skipped: see the output below."


def show(task: Task, *, key: str, done: str = "", partly: str = _PARTLY) -> TaskState:
    """Draw the task; draws nothing if it was never started.

    While it runs, this part of the page redraws itself; at its end the whole page runs again.
    `done` and `partly` are Markdown for a task that finished all or some of its items; an empty
    text draws nothing. Returns the state at this run of the script. Raises RunError.
    """
    state = task.state()
    if state.phase != "never":
        # A fragment with `run_every` polls for as long as the page is open, so an ended task has
        # none.
        every = _POLL_SECONDS if state.is_live else None
        messages = {"done": done, "partly": partly}
        st.fragment(_draw, run_every=every)(task, key, state.is_live, messages)
    return state


def _draw(task: Task, key: str, was_live: bool, messages: Mapping[str, str]) -> None:
    with shell.errors_shown():
        state = task.state()
        if was_live and not state.is_live:
            cached.forget_frames()
            st.rerun()  # of the whole page: its numbers have changed, and the polling must end
        if state.is_live:
            _draw_progress(task, state, key)
        elif not _draw_end(state, messages):
            return
        with st.expander("Output", icon=":material/terminal:"):
            st.code(task.log() or "No output yet.", language=None, wrap_lines=True)


def _draw_progress(task: Task, state: TaskState, key: str) -> None:
    share = min(state.done / state.total, 1.0) if state.total else 0.0
    is_stopping = state.phase == "stopping"
    # Not columns: in a menu, the share of a narrow one would cut the button.
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(share, text=plain(describe(state)))
        is_clicked = st.button(
            "Kill" if is_stopping else "Stop",
            key=f"{key}-stop",
            icon=":material/stop_circle:",
            help="End it at once." if is_stopping else "What is finished is kept.",
        )
    if is_clicked:
        task.stop()
        st.rerun(scope="fragment")


def _draw_end(state: TaskState, messages: Mapping[str, str]) -> bool:
    """Show how the task ended; returns False if there is nothing to show."""
    if state.phase == "failed":
        st.error(plain(sentence(state.sentence)), icon=":material/error:")
    elif state.phase == "stopped":
        st.info("Stopped. What was finished is kept.", icon=":material/stop_circle:")
    elif state.phase == "died":
        st.error(
            "Ended without a result: the process was killed, or the machine went down. What was "
            "finished is kept; start it again.",
            icon=":material/error:",
        )
    elif message := messages[state.phase]:
        box, icon = (st.success, "check_circle") if state.phase == "done" else (st.warning, "rule")
        box(message, icon=f":material/{icon}:")
    else:
        return False
    return True


def describe(state: TaskState) -> str:
    """A running task in a line: `Converting · 120 of 5,000 frames · 180 a second · 27 s left`."""
    parts = [capitalised("stopping" if state.phase == "stopping" else state.what or "starting")]
    if state.total:
        done, total = _amount(state.done, state.unit), _amount(state.total, state.unit)
        parts.append(f"{done} of {total} {'MB' if state.unit == 'B' else f'{state.unit}s'}")
    if state.rate:
        unit = " MB" if state.unit == "B" else ""
        parts.append(f"{_amount(state.rate, state.unit)}{unit} a second")
    if state.seconds_left is not None and state.phase == "running":
        parts.append(f"{duration(state.seconds_left)} left")
    return " · ".join(parts)


def _amount(number: float, unit: str) -> str:
    if unit == "B":
        number /= 1e6
    return f"{number:,.1f}" if 0 < number < 10 and number % 1 else f"{number:,.0f}"
