"""The page Results."""

from typing import Final

import streamlit as st

from cityseg.ui import address
from cityseg.ui.results import choice as results
from cityseg.ui.results import frame_views, score_views
from cityseg.ui.shell import folders

VIEWS: Final = {
    "Classes": score_views.show_classes,
    "History": score_views.show_history,
    "Confusion": frame_views.show_confusion,
    "Frames": frame_views.show_frames,
    "Table": score_views.show_table,
}

st.title("Results")
shown = results.choose(folders())
if shown and shown.results:
    view = address.one_of("View", list(VIEWS), "view", label_visibility="collapsed")
    VIEWS[view](shown)
