"""The page Overview: what there is, and what to do next."""

import time
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.jobs import list_runs
from cityseg.ui import cached, shell
from cityseg.ui.folders import Folders, current_folders
from cityseg.ui.overview import cleanup, get_frames, inventory
from cityseg.ui.overview.best_network import show_best_network
from cityseg.ui.overview.mosaic import show_mosaic
from cityseg.ui.overview.next_step import next_step, show_next_step

#: What the browser gets to paint the first screenful: together with the figures below, it would
#: appear only when they are drawn.
_PAINT_SECONDS: Final = 0.1


def show() -> None:
    """Draw the page: how to get frames while there are none, else the next step and the rest."""
    folders = current_folders()
    head = st.container(horizontal=True, vertical_alignment="center")
    head.title("Overview", width="content")
    problem = cached.missing_frames(folders.data, folders.masks)
    if problem or get_frames.is_busy(folders):
        get_frames.show(folders, problem)
    else:
        with shell.errors_shown():
            _show_inventory(folders, head)
        with st.expander("Add frames from zips", icon=":material/unarchive:"):
            get_frames.show_import(folders)
    machine, disk = st.columns(2, gap="medium")
    with machine:
        inventory.show_machine(folders)
    with disk:
        cleanup.show_cleanup(folders)


def _show_inventory(folders: Folders, head: DeltaGenerator) -> None:
    catalogue = cached.catalogue(folders.data, folders.masks)
    entries = list_runs(folders.runs)
    with head:
        show_next_step(next_step(catalogue, entries))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_mosaic(folders, catalogue)
    with right:
        inventory.show_counts(catalogue)
        with shell.errors_shown():
            show_best_network(folders, catalogue, entries)
    time.sleep(_PAINT_SECONDS)
    inventory.show_runs(folders, entries)
    inventory.show_dataset(catalogue)


if __name__ == "__main__":  # as Streamlit runs it
    show()
