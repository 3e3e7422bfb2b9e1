"""The page Predict: a network on a frame, or on a picture or video of one's own."""

import streamlit as st

from cityseg.ui.folders import current_folders
from cityseg.ui.network_exports import show_export_menu
from cityseg.ui.predict.inputs import VIDEO, choose_picture, choose_source
from cityseg.ui.predict.networks import choose_network, show_card
from cityseg.ui.predict.prediction_view import show_prediction
from cityseg.ui.predict.video_view import show_video
from cityseg.ui.predict.videos import choose_video
from cityseg.ui.predict.worse import choose_corruption, made_worse
from cityseg.ui.shell import errors_shown


def show() -> None:
    """Draw the page: the choice of network and picture in one row, then the prediction."""
    folders = current_folders()
    # Five menus and the title fit into one row of a narrow page.
    head = st.container(horizontal=True, vertical_alignment="center", gap="xsmall")
    with head:
        st.title("Predict", width="stretch")
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall")
    below = st.container()
    network = picture = video = None
    with row:
        with errors_shown():
            network = choose_network(folders, below)
        source = choose_source()
        with errors_shown():
            if source == VIDEO:
                video = choose_video(folders, row, below)
            else:
                picture = choose_picture(source, folders, below)
    with head:
        corruption = None if source == VIDEO else choose_corruption()
        sliding, flip = _choose_averaging()
        flags = (*["--sliding"] * sliding, *["--flip"] * flip)
        if network:
            with (
                st.popover(
                    "About",
                    icon=":material/id_card:",
                    help="The card of the network: data, recipe, scores, licence.",
                ),
                errors_shown(),
            ):
                show_card(network)
            show_export_menu(folders, {network.name: network.weights}, flags)
    if video:
        with errors_shown():
            show_video(network, video, flags)
    elif network and picture:
        with errors_shown():
            show_prediction(
                folders, network, made_worse(picture, corruption), head, sliding=sliding, flip=flip
            )
    else:
        what = "a video" if source == VIDEO else "a picture"
        what = f"{what} is" if network else f"a network and {what} are"
        st.caption(f"The prediction appears here as soon as {what} chosen.")


def _choose_averaging() -> tuple[bool, bool]:
    """Whether to predict in sliding windows, and whether to average with the mirrored picture."""
    with st.popover("Options", icon=":material/tune:"):
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
