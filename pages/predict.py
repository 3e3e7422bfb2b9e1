"""The page Predict."""

import streamlit as st

from cityseg.ui.predict.choice import choose_picture, choose_weights
from cityseg.ui.predict.prediction_view import show_prediction
from cityseg.ui.shell import errors_shown, folders

st.title("Predict")
weights = chosen = None
left, right = st.columns(2, gap="medium")
with left, st.container(border=True, height="stretch"):
    with errors_shown():
        weights = choose_weights(folders())
    with st.container(horizontal=True):
        sliding = st.toggle(
            "Sliding windows",
            key="sliding",
            bind="query-params",
            help="overlapping windows of the size seen in training, averaged; slower",
        )
        flip = st.toggle(
            "Mirrored too",
            key="mirrored",
            bind="query-params",
            help="averaged with what is predicted for the mirrored picture; twice as slow",
        )
with right, st.container(border=True, height="stretch"), errors_shown():
    chosen = choose_picture(folders())
if weights and chosen:
    with errors_shown():
        show_prediction(folders(), weights, chosen, sliding=sliding, flip=flip)
else:
    st.caption("The prediction appears here as soon as a network and a picture are chosen.")
