"""The best network so far, and what it makes of a frame."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from cityseg.data import Catalogue, Frame
from cityseg.jobs import Entry
from cityseg.runs import BOX, box_weights
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.predict.inputs import read_frame
from cityseg.ui.predict.networks import box_network, network_key
from cityseg.ui.predict.preview import show_preview
from cityseg.ui.routes import frame_picture
from cityseg.ui.run_labels import run_name
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain


def best_entry(entries: Sequence[Entry]) -> Entry | None:
    """The run with the highest mean IoU in validation; None if no run has one."""
    scored = [each for each in entries if each.state and each.state.mean_iou is not None]
    return max(scored, key=_mean_iou, default=None)


def show_best_network(folders: Folders, catalogue: Catalogue, entries: Sequence[Entry]) -> None:
    """Draw the best network, or else that in the box: its name, a prediction, a link to try it.

    Raises ImageError if the frame's photo cannot be read.
    """
    best, box = best_entry(entries), box_network()
    if best is not None and best.run.best.is_file():
        weights, name, network = best.run.best, run_name(best), network_key(best.id)
        st.markdown(
            f"**Best network:** {plain(name)}, mean IoU {percent(_mean_iou(best))}",
            help=explain("Mean IoU", "IoU"),
        )
    elif box is not None:
        weights, name, network = box_weights(), box.name, BOX
        st.markdown(f"**Ready to use:** {plain(name)}, {box.licence}")
    else:
        return
    if frame := shown_frame(catalogue):
        photo = frame_picture(folders, frame[0]).image
        show_preview(weights, name, read_frame(*frame), catalogue.pixel_aspect.value, photo)
    st.page_link(
        page_file("predict"),
        label="Open in Predict",
        icon=":material/image_search:",
        query_params={"network": network},
    )


def shown_frame(catalogue: Catalogue) -> tuple[Frame, Path] | None:
    """The first frame with a photo and its photo, of val if it has one; None if none has."""
    found = [(frame, path) for frame in catalogue.frames if (path := frame.image)]
    return min(found, key=lambda each: each[0].split != "val", default=None)


def _mean_iou(entry: Entry) -> float:
    return (entry.state.mean_iou if entry.state else None) or 0.0
