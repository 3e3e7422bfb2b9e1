"""The networks that a training can start from, by the names that people know."""

from typing import Any

import streamlit as st

from cityseg.jobs import list_runs
from cityseg.runs import BOX, BOX_TITLE
from cityseg.ui.folders import Folders, current_folders
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.text import utf8


def show_start_from(value: str, **about: Any) -> None:
    """Draw the choice, in which the path of any other network may be typed.

    `about` goes to the widget. Raises RunError if the folder of runs cannot be listed.
    """
    names = start_networks(current_folders())
    options = tuple(dict.fromkeys([*names, *([value] if value else [])]))
    st.selectbox(
        options=options,
        index=options.index(value) if value else None,
        format_func=lambda network: names.get(network, network),
        accept_new_options=True,
        **about,
    )


def start_networks(folders: Folders) -> dict[str, str]:
    """Names of what can be started from, by values of the setting: nothing, the box, runs."""
    entries = list_runs(folders.runs)
    names = distinct_names(entries)
    runs = {
        utf8(entry.run.path.absolute()): utf8(names[entry.id])
        for entry in entries
        if entry.run.best.is_file()
    }
    return {"none": "None", BOX: BOX_TITLE} | runs
