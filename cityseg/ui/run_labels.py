"""How the pages name runs and show their states."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, Literal, NamedTuple

import streamlit as st

from cityseg.jobs import UNSTARTED, Entry, JobState, Phase
from cityseg.runs import BOX_TITLE
from cityseg.ui.text import words

Color = Literal["blue", "gray", "green", "orange", "red", "violet"]


class StateLabel(NamedTuple):
    """The word, icon and colour of a state; the colour never stands alone."""

    word: str
    icon: str
    color: Color


_STATE_LABELS: Final[Mapping[Phase, StateLabel]] = {
    "running": StateLabel("Running", ":material/play_circle:", "blue"),
    "starting": StateLabel("Starting", ":material/rocket_launch:", "blue"),
    "queued": StateLabel("Queued", ":material/hourglass_top:", "violet"),
    "stopping": StateLabel("Stopping", ":material/pause_circle:", "orange"),
    "done": StateLabel("Done", ":material/check_circle:", "green"),
    "stopped": StateLabel("Stopped", ":material/stop_circle:", "gray"),
    "failed": StateLabel("Failed", ":material/error:", "red"),
    "lost": StateLabel("Lost", ":material/help:", "red"),
}
_UNSTARTED: Final = StateLabel("Not started", ":material/pending:", "gray")
_BROKEN: Final = StateLabel("Broken", ":material/broken_image:", "red")
#: All labels, in the order in which pages list them.
STATE_LABELS: Final = (*_STATE_LABELS.values(), _UNSTARTED, _BROKEN)
STARTING: Final = _STATE_LABELS["starting"]
#: Reason codes of failed runs that need other words.
_REASONS: Final = {"nan_loss": "The loss is not a number", "bad_input": "Invalid input"}


def state_label(state: JobState | None) -> StateLabel:
    """The label of a run's state; None stands for a folder whose state cannot be read."""
    if state is None:
        return _BROKEN
    return _UNSTARTED if state.reason == UNSTARTED else _STATE_LABELS[state.phase]


def state_badge(label: StateLabel) -> None:
    """Draw the badge of a state."""
    st.badge(label.word, icon=label.icon, color=label.color)


def failure_reason(state: JobState) -> str:
    """Why a run has failed, in a few words: "Disk full"."""
    return _REASONS.get(state.reason, words(state.reason))


def folder_problem(entry: Entry) -> str:
    """What is wrong with the folder of a run, without its path: what is beside says which it is."""
    problem, path = entry.problem or entry.notes_problem, os.fspath(entry.run.path)
    return problem.replace(f"{path}/", "").removeprefix(f"{path} ")


def run_name(entry: Entry) -> str:
    """The name that people gave the run, its title, or its id where it has neither."""
    return entry.title or entry.id


def distinct_names(entries: Iterable[Entry]) -> dict[str, str]:
    """Names by run id; those of several runs are followed by the end of the id, or all of it."""
    names = {entry.id: run_name(entry) for entry in entries}
    with_end = {run_id: f"{name} ({run_id[-8:]})" for run_id, name in names.items()}
    uses = Counter((BOX_TITLE, *names.values(), *with_end.values()))
    return {
        run_id: next(
            (each for each in (name, with_end[run_id]) if uses[each] == 1), f"{name} ({run_id})"
        )
        for run_id, name in names.items()
    }


def about_run(run_id: str, *, has_name: bool) -> str:
    """The id of a run that has a name of its own, and when the run was made if the id says so."""
    parts = [run_id] if has_name else []
    with suppress(ValueError):  # a folder with a name of its own
        made = time.strptime("-".join(run_id.split("-")[:2]), "%Y%m%d-%H%M%S")
        parts.append(f"made {time.strftime('%d %b %Y, %H:%M', made)}")
    return " · ".join(parts)
