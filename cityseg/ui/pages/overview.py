"""The page Overview: what is there, and what to do next."""

import streamlit as st

from cityseg.errors import DatasetError
from cityseg.jobs import list_runs
from cityseg.ui import cached, shell
from cityseg.ui.overview import beginning, summary
from cityseg.ui.shell import Folders


def show() -> None:
    """Draw the page: how to get frames while there are none, else the next step and an overview."""
    folders = shell.folders()
    st.title("Overview")
    try:
        problem = "" if cached.frames(folders.data) else f"{folders.data} has no frames yet"
    except DatasetError as error:
        problem = str(error)
    if problem or beginning.is_busy(folders):
        beginning.show(folders, problem)
    else:
        with shell.errors_shown():
            _show_summary(folders)
        with st.expander("Add frames from zips", icon=":material/unarchive:"):
            beginning.show_import(folders)
    summary.show_machine(folders)


def _show_summary(folders: Folders) -> None:
    catalogue = cached.catalogue(folders.data, folders.masks)
    entries = list_runs(folders.runs)
    summary.show_next_step(summary.next_step(catalogue, entries))
    summary.show_dataset(folders, catalogue)
    summary.show_runs(folders, entries)


if __name__ == "__main__":  # as Streamlit runs it
    show()
