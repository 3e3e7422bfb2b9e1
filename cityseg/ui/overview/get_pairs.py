"""A third way to get frames: image pairs, whose labels are recovered from colours."""

from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.data import dataset_beside, recognised_pairs
from cityseg.jobs import Task
from cityseg.ui import cached, progress
from cityseg.ui.folders import Folders, open_folder, typed_path
from cityseg.ui.text import plain

_UNSURE: Final = {
    "best": "Keep the most probable label",
    "void": "Make them unlabeled",
}
_UNSURE_HELP: Final = (
    "About one pixel in twenty is unsure, at edges and in thin things. Unlabeled pixels are not "
    "learned from: what remains is right more often, but most of what is thin is lost."
)


def pairs_task(folders: Folders) -> Task:
    """The task that recovers the labels of pairs."""
    return Task.of(folders.runs, "pairs", folders.data)


def is_recognised(folders: Folders) -> bool:
    """Whether the folder of the dataset holds pairs instead of frames."""
    return cached.number_of_pairs(folders.data) > 0


def target_of(source: Path, folders: Folders) -> Path:
    """Where the dataset of the pairs in `source` is made, which stays as it is."""
    data = folders.data.absolute()
    return dataset_beside(data) if source.absolute().is_relative_to(data) else data


def show_pairs(folders: Folders) -> None:
    """Draw a form that makes frames of pairs, and the task while it runs."""
    task = pairs_task(folders)
    number = cached.number_of_pairs(folders.data)
    if number:
        st.header("Use the image pairs that were found")
        st.markdown(
            f"**{plain(folders.data)}** holds {number:,} pairs: JPEG files with a picture on the "
            "left and its colour map on the right."
        )
    else:
        st.markdown(
            "Kaggle has Cityscapes as 512×256 JPEG files, train/1.jpg and so on, with a picture on "
            "the left and its colour map on the right."
        )
    with st.form("pairs", border=False):
        typed = st.text_input(
            "Folder with train and val",
            value=str(folders.data) if number else "",
            placeholder="/home/me/cityscapes_data",
            key="pairs_folder",
        )
        unsure = st.radio(
            "Pixels whose label is unsure",
            list(_UNSURE),
            format_func=_UNSURE.__getitem__,
            horizontal=True,
            key="unsure",
            help=_UNSURE_HELP,
        )
        is_pressed = st.form_submit_button(
            "Recover labels",
            icon=":material/palette:",
            type="primary" if number else "secondary",
            disabled=task.state().is_live,
        )
    source = typed_path(typed.strip())
    target = target_of(source, folders)
    st.caption(
        f"The frames are written to {plain(target)}; the pairs stay as they are. Scores on "
        "recovered labels do not compare with those of Cityscapes itself."
    )
    if is_pressed:
        _start(task, typed, source, target, unsure)
    state = progress.show(task, key="pairs")
    if state.phase in ("done", "partly") and target != folders.data.absolute():
        st.button(
            "Open the new dataset",
            type="primary",
            icon=":material/folder_open:",
            on_click=_open,
            args=(target,),
        )


def _start(task: Task, typed: str, source: Path, target: Path, unsure: str) -> None:
    if not typed.strip():
        st.error("No folder was given: name the one with train and val.", icon=":material/error:")
    elif not recognised_pairs(source):
        st.error(
            f"{plain(source)} holds no pairs such as train/1.jpg, twice as wide as high, with "
            "Cityscapes colours in the right half: check the folder.",
            icon=":material/error:",
        )
    else:
        task.start(source, "--data", target, "--unsure", unsure)
        st.rerun()


def _open(folder: Path) -> None:
    open_folder("dataset", folder)
