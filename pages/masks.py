"""The page Masks: make the masks for training, and see what is in them."""

import streamlit as st

from cityseg.ui import cached, shell
from cityseg.ui.pages import masks
from cityseg.ui.text import plain

folders = shell.folders()
st.title("Masks")
st.markdown(
    "Training needs a mask for each frame: a picture in which every pixel is one of 19 classes, or "
    "255 where nothing is to be learned. Masks are made from the annotations, checked one by one. "
    f"They are written to **{plain(folders.masks)}**; the dataset's own files stay as they are."
)
catalogue = cached.catalogue(folders.data, folders.masks)
masks.show_summary(folders, catalogue)
masks.show_conversion(folders, catalogue)
masks.show_skipped(folders, catalogue)
masks.show_frequencies(catalogue)
masks.show_ignored(catalogue)
