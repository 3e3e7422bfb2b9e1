"""Predictions of a run for the same few frames after each epoch."""

from typing import Final

import numpy as np
import streamlit as st

from cityseg.arrays import Uint8Array
from cityseg.config import TrainConfig
from cityseg.data import png
from cityseg.jobs import JobState
from cityseg.labels import IGNORE, TRAIN_ID_PALETTE
from cityseg.runs import RunDir
from cityseg.runs.panels import Panel, load_panels, panel_epochs
from cityseg.ui import address
from cityseg.ui.formatting import percent
from cityseg.ui.routes import publish
from cityseg.ui.text import plain, utf8
from cityseg.ui.viewer import Picture, viewer

#: Smaller maps are enlarged by whole pixels: browsers would blur the labels.
_LEAST_WIDTH: Final = 640
_LAYOUTS: Final = ("All frames", "One frame in detail")


def show_predictions(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw the predictions of an epoch; the newest is followed until another is chosen."""
    epochs = panel_epochs(run)
    if not epochs:
        st.info("Predictions begin with the first validation.", icon=":material/hourglass_empty:")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        layout = address.one_of("Layout", _LAYOUTS, "predictions", label_visibility="collapsed")
        panels = load_panels(run, _choose_epoch(run, epochs))
    if layout == _LAYOUTS[0]:
        _show_grid(panels)
    else:
        viewer([_picture(panel) for panel in panels], key=f"panels-{run.id}")


def _choose_epoch(run: RunDir, epochs: list[int]) -> int:
    key, seen = f"epoch-{run.id}", f"newest-{run.id}"
    if st.session_state.get(key) not in epochs or st.session_state[key] == st.session_state[seen]:
        st.session_state[key] = epochs[-1]
    st.session_state[seen] = epochs[-1]
    if len(epochs) == 1:
        st.caption(f"After epoch {epochs[0]}")
        return epochs[0]
    return int(st.select_slider("After epoch", epochs, key=key))


def _show_grid(panels: list[Panel]) -> None:
    titles = ("Photo", "Truth", "Prediction")
    for column, title in zip(st.columns(3), titles, strict=True):
        column.markdown(f"**{title}**")
    for panel in panels:
        parts = (
            png.encode_rgb(_enlarged(panel.image)),
            png.encode_palette(_enlarged(panel.truth), TRAIN_ID_PALETTE),
            png.encode_palette(_enlarged(panel.prediction), TRAIN_ID_PALETTE),
        )
        for column, title, content in zip(st.columns(3), titles, parts, strict=True):
            # Not st.image: Streamlit drops the file of a picture as soon as a newer one is drawn,
            # and a browser that has not fetched it by then shows nothing.
            alt = plain(f"{title} of {panel.name}")
            column.markdown(f"![{alt}]({publish(content, 'image/png')})")
        accuracy = percent(np.mean((panel.prediction == panel.truth)[panel.truth != IGNORE]))
        st.caption(plain(f"{panel.name} · {accuracy} of the labelled pixels right"))
    st.caption(
        f"Black pixels of the truth are not learned. “{_LAYOUTS[1]}” names the class under the "
        "pointer."
    )


def _enlarged(pixels: Uint8Array) -> Uint8Array:
    factor = -(-_LEAST_WIDTH // pixels.shape[1])
    return np.asarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def _picture(panel: Panel) -> Picture:
    return Picture(
        utf8(panel.name),
        image=publish(png.encode_rgb(panel.image), "image/png"),
        mask=publish(png.encode_grey(panel.truth), "image/png"),
        prediction=publish(png.encode_grey(panel.prediction), "image/png"),
    )
