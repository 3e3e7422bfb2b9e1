"""The page Predict: a network of a run or a file, on a frame or a picture of one's own."""

import streamlit as st

from cityseg.ui.predict.choice import choose_picture, choose_weights
from cityseg.ui.predict.prediction_view import show_prediction
from cityseg.ui.shell import errors_shown, folders


def show() -> None:
    """Draw the page: the choice of network and picture, then the prediction."""
    st.title("Predict")
    weights = chosen = None
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, height="stretch"):
        with errors_shown():
            weights = choose_weights(folders())
        sliding, flip = _choose_averaging()
    with right, st.container(border=True, height="stretch"), errors_shown():
        chosen = choose_picture(folders())
    if weights and chosen:
        with errors_shown():
            show_prediction(folders(), weights, chosen, sliding=sliding, flip=flip)
    else:
        st.caption("The prediction appears here as soon as a network and a picture are chosen.")


def _choose_averaging() -> tuple[bool, bool]:
    """Whether to predict in sliding windows, and whether to average with the mirrored picture."""
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
    return sliding, flip


if __name__ == "__main__":  # as Streamlit runs it
    show()
