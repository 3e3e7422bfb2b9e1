"""The bell in the header: what has happened to runs, until it is marked as seen."""

import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st
from cachetools import TTLCache, cached

from cityseg.errors import CitysegError, RunError
from cityseg.jobs import Entry, EventKind, Notice, mark_seen, unseen_notices, watch_runs
from cityseg.ui.formatting import duration
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.text import plain, sentence

#: Whether the menu is open; why the last click had no effect.
OPEN: Final = "bell"
_PROBLEM: Final = "bell_problem"
_ICONS: Final[dict[EventKind, str]] = {
    "end": ":material/check_circle:",
    "crash": ":material/error:",
    "unstarted": ":material/pending:",
    "nan": ":material/error:",
    "stalled": ":material/hourglass_disabled:",
    "disk": ":material/storage:",
}
_MOST_SHOWN: Final = 10
_POLL_SECONDS: Final = 5.0
#: Every run of every page asks, and thousands of runs take milliseconds.
_KEPT_SECONDS: Final = 2.0


class _News(NamedTuple):
    """What is not seen yet, the runs, and whether one is live."""

    notices: list[Notice]
    entries: list[Entry]
    is_live: bool


def show(runs: Path, train_page: Path) -> None:
    """Draw the bell with the number of notices on the runs in the folder `runs`.

    Its menu links to each run on the page Train, which is the file `train_page`.
    """
    # A fragment with `run_every` polls for as long as the page is open: only while a run is live.
    every = _POLL_SECONDS if _news(runs).is_live else None
    st.fragment(_draw, run_every=every)(runs, train_page)


@cached(TTLCache(16, _KEPT_SECONDS), lock=threading.Lock())
def _news(runs: Path) -> _News:
    try:
        entries = watch_runs(runs)
    except CitysegError:  # the pages name it
        return _News([], [], False)
    is_live = any(each.state and each.state.is_live for each in entries)
    return _News(unseen_notices(runs, entries), entries, is_live)


def _draw(runs: Path, train_page: Path) -> None:
    notices, entries, _ = _news(runs)
    menu = st.popover(
        # The word is not to be seen, see the style of the header: it names the button.
        f"{len(notices)} *notifications*" if notices else "*No notifications*",
        icon=":material/notifications:",
        key=OPEN,
        on_change="rerun",
    )
    if not menu.open:
        return
    with menu, st.container(gap="xsmall"):
        if problem := st.session_state.pop(_PROBLEM, None):
            st.error(plain(sentence(problem)), icon=":material/error:")
        if not notices:
            st.caption(
                "Nothing new. What happens to runs stays here for a week, or until it is marked as "
                "seen."
            )
            return
        names = distinct_names(entries)
        for notice in notices[:_MOST_SHOWN]:
            _draw_notice(runs, notice, names.get(notice.run_id, notice.run_id), train_page)
        if (further := len(notices) - _MOST_SHOWN) > 0:
            st.caption(f"And {further} more.")
        st.button(
            "Mark all as seen",
            key="bell_all",
            icon=":material/done_all:",
            on_click=_mark,
            args=(runs, notices),
        )


def _draw_notice(runs: Path, notice: Notice, name: str, train_page: Path) -> None:
    with st.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.page_link(
                train_page,
                label=plain(name),
                icon=_ICONS[notice.event.kind],
                query_params={"run": notice.run_id},
            )
            if notice.event.is_final:
                st.caption(f"{duration(max(0.0, time.time() - notice.time))} ago", width="content")
            st.button(
                "Mark as seen",
                key=f"bell-{notice.ids[0]}",
                icon=":material/done:",
                type="tertiary",
                on_click=_mark,
                args=(runs, [notice]),
            )
        st.markdown(plain(sentence(notice.event.what)))


def _mark(runs: Path, notices: list[Notice]) -> None:
    try:
        mark_seen(runs, notices)
    except RunError as error:
        st.session_state[_PROBLEM] = error
    _news.cache_clear()
