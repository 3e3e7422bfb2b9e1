"""What the page Predict takes: the weights of a network, and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.arrays import Uint8Array
from cityseg.data import PICTURE_SUFFIXES, Frame, decode_frame, read_image
from cityseg.errors import CheckpointError, ImageError
from cityseg.jobs import list_runs
from cityseg.runs import kept_weights, read_about
from cityseg.ui import address, cached
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent
from cityseg.ui.predict.inference import Upload
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.shell import has_frames, page_file
from cityseg.ui.text import plain, utf8

#: The limit of the server, in config.toml; the weights of the reference network have 120.
LARGEST_UPLOAD_MIB: Final = 500
_LARGEST_PICTURE_MIB: Final = 64
#: In the order of offer: the first frame is one that training has not seen, with an annotation.
_SPLITS: Final = ("val", "test", "train")


@dataclass(frozen=True, slots=True)
class InputPicture:
    """A picture file; `decode` turns its content into (H, W, 3) uint8 RGB."""

    name: str
    content: bytes = field(repr=False)
    decode: Callable[[bytes], Uint8Array]
    frame: Frame | None = None


def choose_weights(folders: Folders) -> Path | Upload | None:
    """Draw the choice of a network; None, with an explanation, if there is none yet.

    Raises RunError if the folder of runs cannot be listed.
    """
    if address.one_of("Network", ("Run", "File"), "network") == "File":
        file = st.file_uploader(
            "Weights file",
            type="safetensors",
            key="weights_file",
            max_upload_size=LARGEST_UPLOAD_MIB,
            help="Weights that cityseg has saved, such as best.safetensors in a run's folder.",
        )
        return Upload(file.file_id, file.name, file.getvalue()) if file else None
    entries = list_runs(folders.runs)
    weights = {entry.id: kept_weights(entry.run) for entry in entries}
    with_weights = [run_id for run_id, files in weights.items() if files]
    if not with_weights:
        st.info(f"No run in {plain(folders.runs)} has saved a network.", icon=":material/info:")
        st.page_link(page_file("train"), label="Train a network", icon=":material/model_training:")
        return None
    run_id = address.select("Run", with_weights, "network_run", distinct_names(entries).__getitem__)
    files = {path.stem: path for path in weights[run_id]}
    labels = {stem: _describe(path) for stem, path in files.items()}
    chosen = address.select("Weights", list(files), "weights", labels.__getitem__)
    return files[chosen]


def _describe(weights: Path) -> str:
    name = weights.stem.replace("epoch-", "epoch ").capitalize()
    try:
        about = read_about(weights)
    except CheckpointError:
        return f"{name} · cannot be read"
    parts = [name]
    if weights.stem == "best":
        parts.append(f"epoch {about.epoch}")
    if about.mean_iou is not None:
        parts.append(f"mean IoU {percent(about.mean_iou)}")
    return " · ".join(parts)


def choose_picture(folders: Folders) -> InputPicture | None:
    """Draw the choice of a picture; None before one is chosen, or where there are no frames.

    Raises ImageError if a frame's file cannot be read.
    """
    source = address.one_of("Picture", ("Frame", "File", "Camera"), "picture")
    if source == "Frame":
        return _choose_frame(folders)
    if source == "File":
        file = st.file_uploader(
            "Picture file",
            type=PICTURE_SUFFIXES,
            key="picture_file",
            max_upload_size=_LARGEST_PICTURE_MIB,
        )
    else:
        file = st.camera_input("Camera picture", key="camera_picture", resolution="1080p")
    if file is None:
        return None
    name = file.name
    return InputPicture(name, file.getvalue(), lambda content: read_image(content, name))


def _choose_frame(folders: Folders) -> InputPicture | None:
    if not has_frames(folders.data, folders.masks):
        return None
    found = cached.frames(folders.data, folders.masks)
    frames = sorted(found, key=lambda frame: _SPLITS.index(frame.split))
    by_name = {utf8(frame.name): (frame, path) for frame in frames if (path := frame.image)}
    if not by_name:
        st.info(f"{plain(folders.data)} has no photos.", icon=":material/info:")
        return None
    name = address.select("Frame", list(by_name), "frame", str)
    _show_steps(list(by_name), name)
    return read_frame(*by_name[name])


#: Letters: arrows belong to the viewer, which moves the picture by them.
_STEPS: Final = (
    ("Previous", -1, ":material/chevron_left:", "P"),
    ("Next", 1, ":material/chevron_right:", "N"),
)


def _show_steps(names: Sequence[str], name: str) -> None:
    """Buttons for the frames before and after `name`, and a link to it in Browse."""
    position = names.index(name)
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, step, icon, shortcut in _STEPS:
            st.button(
                label,
                key=label,
                icon=icon,
                shortcut=shortcut,
                disabled=not 0 <= position + step < len(names),
                on_click=_go_to,
                args=(names[(position + step) % len(names)],),
            )
        st.page_link(
            page_file("browse"),
            label="Browse",
            icon=":material/photo_library:",
            query_params={"frame": name},
        )


def _go_to(name: str) -> None:
    st.query_params["frame"] = name


def read_frame(frame: Frame, path: Path) -> InputPicture:
    """The photo of a frame, which lies at `path`; raises ImageError if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    name = utf8(frame.name)
    return InputPicture(name, content, lambda content: decode_frame(content, path), frame)
