"""Groups of runs in the list of the page Train: those of one tag, and the best of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import streamlit as st

from cityseg.errors import CitysegError
from cityseg.jobs import Entry, RunGroup, forget_group, interrupted_groups, not_queued
from cityseg.ui import address
from cityseg.ui.formatting import percent
from cityseg.ui.run_labels import run_name
from cityseg.ui.text import plain, utf8
from cityseg.ui.train import about, starting
from cityseg.ui.train.run_list import GROUP, STARTED
from cityseg.wording import counted

_ALL: Final = ""
_HOW_TO: Final = "Click on a run to show it below. Tick several to compare or archive them."


def choose_group(entries: Sequence[Entry], runs: Path) -> tuple[list[Entry], str]:
    """Draw the choice of a tag, if there is one; returns its runs, and the id of the best.

    All runs are returned, and no best one, where no tag is chosen.
    """
    starts = [start.group for start in starting.pending(runs) if start.group]
    tags = dict.fromkeys([*starts, *(tag for entry in entries for tag in entry.notes.tags)])
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = _choose_tag(list(tags)) if tags else _ALL
        if not chosen:
            st.caption(_HOW_TO, width="content")
            return list(entries), ""
        found = [entry for entry in entries if chosen in entry.notes.tags]
        best = _best_of(found)
        _show_best(best, found)
    return found, best.id if best else ""


def show_interrupted(runs: Path) -> None:
    """Draw the groups of which some runs could not be queued, and what can be done."""
    pending = {start.group for start in starting.pending(runs)}
    for group in interrupted_groups(runs):
        if group.name not in pending:
            left = len(not_queued(group, runs))
            with st.container(border=True, horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f":material/warning: Of the group {plain(group.name)}, {left} of "
                    f"{counted(len(group.configs), 'run')} could not be queued."
                )
                key = f"{group.name}-{len(group.configs)}-{left}"
                st.button(
                    f"Queue the other {left}",
                    key=f"queue-{key}",
                    icon=":material/playlist_add:",
                    on_click=_queue,
                    args=(group, runs),
                )
                st.button("Leave them out", key=f"leave-{key}", on_click=_leave, args=(group, runs))


def _choose_tag(tags: Sequence[str]) -> str:
    return address.select(
        "Tag",
        [_ALL, *tags],
        GROUP,
        # The label is not to be seen: each choice says what it chooses.
        lambda tag: f"Tag: {utf8(tag)}" if tag else "All tags",
        label_visibility="collapsed",
        width=300,
    )


def _best_of(entries: Sequence[Entry]) -> Entry | None:
    """The run with the best mean IoU, of several the oldest; None without a score."""
    scored = [entry for entry in reversed(entries) if _score(entry) is not None]
    return max(scored, key=lambda entry: _score(entry) or 0.0, default=None)


def _show_best(best: Entry | None, entries: Sequence[Entry]) -> None:
    if best is None:
        st.caption("No run of this group has a score yet.", width="content")
        return
    score = percent(_score(best))
    st.markdown(f"★ Best: **{plain(run_name(best))}**, mean IoU {score}", width="content")
    if others := [entry for entry in entries if entry.id != best.id]:
        label = f"Archive the other {len(others)}" if len(others) > 1 else "Archive the other run"
        about.show_archive_button(others, label, key="archive-others")


def _score(entry: Entry) -> float | None:
    return entry.state.mean_iou if entry.state else None


def _queue(group: RunGroup, runs: Path) -> None:
    """Queue what is left of a group; a second click finds nothing left."""
    click = uuid4().hex
    starting.begin(click, group.configs, runs, now=False, group=group.name)
    st.session_state[STARTED] = click


def _leave(group: RunGroup, runs: Path) -> None:
    try:
        forget_group(group, runs)
    except CitysegError as error:
        about.report_problem(error)
