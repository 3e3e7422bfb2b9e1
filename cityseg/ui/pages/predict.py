"""The page Predict: a network of a run or a file, on a frame or a picture of one's own."""

import streamlit as st

from cityseg.ui.folders import current_folders
from cityseg.ui.predict.inputs import choose_picture, choose_weights
from cityseg.ui.predict.prediction_view import show_prediction
from cityseg.ui.shell import errors_shown


def show() -> None:
    """Draw the page: the choice of network and picture, then the prediction."""
    folders = current_folders()
    st.title("Predict")
    weights = picture = None
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, height="stretch"):
        with errors_shown():
            weights = choose_weights(folders)
        sliding, flip = _choose_averaging()
    with right, st.container(border=True, height="stretch"), errors_shown():
        picture = choose_picture(folders)
    if weights and picture:
        with errors_shown():
            show_prediction(folders, weights, picture, sliding=sliding, flip=flip)
    else:
        st.caption("The prediction appears here as soon as a network and a picture are chosen.")


def _choose_averaging() -> tuple[bool, bool]:
    """Whether to predict in sliding windows, and whether to average with the mirrored picture."""
    with st.container(horizontal=True):
        sliding = st.toggle(
            "Sliding windows",
            key="sliding",
            bind="query-params",
            help="Predict in overlapping windows of the size seen in training, and average them: "
            "slower.",
        )
        flip = st.toggle(
            "Average with mirrored picture",
            key="mirrored",
            bind="query-params",
            help="Predict the picture and its mirror image, and average both: twice as slow, and "
            "often a little better.",
        )
    return sliding, flip


if __name__ == "__main__":  # as Streamlit runs it
    show()
