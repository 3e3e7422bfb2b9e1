"""The page Train: start a run, and watch the runs that exist."""

from typing import Final

import streamlit as st

from cityseg.jobs import list_runs
from cityseg.ui.folders import current_folders
from cityseg.ui.text import plain
from cityseg.ui.train import about, groups, new_run, run_list, run_view

#: Streamlit fades what it is about to draw again, which here is every second.
_STEADY: Final = """<style>
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
</style>"""


def show() -> None:
    """Draw the page: the form for a new run, or the list of runs beside the chosen one."""
    folders = current_folders()
    starts = new_run.follow_start(folders.runs)
    entries = list_runs(folders.runs)
    st.html(_STEADY)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.title("Train", width="content")
        view = run_list.choose_view(has_runs=bool(entries or starts))
    groups.show_interrupted(folders.runs)
    if view == run_list.VIEWS[1]:
        new_run.show_new_run(folders, entries)
        return
    if starts:
        new_run.show_pending(starts)
    if entries:
        chosen = run_list.chosen_entry(entries)
        run_view.show_runs(folders, entries, chosen)
        run_view.show_parts(chosen)
    elif not starts:
        st.info(f"There are no runs in {plain(folders.runs)} yet.", icon=":material/info:")
        about.show_last_action()
    about.show_archive(folders.runs)


if __name__ == "__main__":  # as Streamlit runs it
    show()
