"""The page Overview: what is there, and what to do next."""

import streamlit as st

from cityseg.errors import DatasetError
from cityseg.jobs import list_runs
from cityseg.ui import cached, shell
from cityseg.ui.overview import beginning
from cityseg.ui.overview import summary as overview

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
        catalogue = cached.catalogue(folders.data, folders.masks)
        entries = list_runs(folders.runs)
        overview.show_next_step(overview.next_step(catalogue, entries))
        overview.show_dataset(folders, catalogue)
        overview.show_runs(folders, entries)
    with st.expander("Add frames from zips", icon=":material/unarchive:"):
        beginning.show_import(folders)
overview.show_machine(folders)
