"""What a person chooses on the page Predict: the weights of a network, and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.arrays import Uint8Array
from cityseg.data import Frame, decode_frame, read_image
from cityseg.errors import CheckpointError, DatasetError, ImageError
from cityseg.jobs import list_runs
from cityseg.runs import kept_weights, read_about
from cityseg.ui import address, cached
from cityseg.ui.cached import Upload
from cityseg.ui.results.choice import told_apart
from cityseg.ui.routes import in_address
from cityseg.ui.shell import Folders, page_file
from cityseg.ui.text import plain

_PICTURE_TYPES: Final = ("png", "jpg", "jpeg", "webp")
#: The weights of the reference network have 120.
_MOST_MEBIBYTES: Final = 500
#: The first frame offered is one that training has not seen, with an annotation.
_SPLITS: Final = ("val", "test", "train")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A picture's file, and what makes (H, W, 3) uint8 RGB of it."""

    name: str
    content: bytes = field(repr=False)
    decode: Callable[[bytes], Uint8Array]
    frame: Frame | None = None


def choose_weights(folders: Folders) -> Path | Upload | None:
    """Let a person choose a network; None where there is none yet, which is said.

    Raises RunError if the folder of runs cannot be listed.
    """
    if _choose_source("Network", ("Run", "File"), "network") == "File":
        file = st.file_uploader(
            "Weights file",
            type="safetensors",
            key="weights_file",
            max_upload_size=_MOST_MEBIBYTES,
            help="a checkpoint of cityseg, such as best.safetensors",
        )
        return Upload(file.file_id, file.name, file.getvalue()) if file else None
    entries = {entry.id: entry for entry in list_runs(folders.runs)}
    weights = {run_id: kept_weights(entry.run) for run_id, entry in entries.items()}
    titles = told_apart({i: e.config.title or i if e.config else i for i, e in entries.items()})
    with_weights = [run_id for run_id, files in weights.items() if files]
    if not with_weights:
        st.info(f"No run in {plain(folders.runs)} has saved a network.", icon=":material/info:")
        st.page_link(page_file("train"), label="Train a network", icon=":material/model_training:")
        return None
    run_id = _choose("Run", with_weights, "network_run", titles.__getitem__)
    files = {path.stem: path for path in weights[run_id]}
    return files[_choose("Weights", list(files), "weights", lambda name: _describe(files[name]))]


def choose_picture(folders: Folders) -> Chosen | None:
    """Let a person choose a picture; None before they have, or where there are no frames.

    Raises ImageError if a frame's file cannot be read.
    """
    source = _choose_source("Picture", ("Frame", "File", "Camera"), "picture")
    if source == "Frame":
        return _choose_frame(folders)
    if source == "File":
        file = st.file_uploader("Picture file", type=_PICTURE_TYPES, key="picture_file")
    else:
        file = st.camera_input("Camera picture", key="camera_picture", resolution="1080p")
    if file is None:
        return None
    name = file.name
    return Chosen(name, file.getvalue(), lambda content: read_image(content, name))


def _choose_source(label: str, options: Sequence[str], key: str) -> str:
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params"
    )
    return str(chosen)


def _choose(label: str, options: Sequence[str], key: str, words: Callable[[str], str]) -> str:
    """A selectbox whose choice the address holds by its key."""
    address.restore_one(key, options)
    st.selectbox(label, options, key=key, format_func=words, on_change=address.keep, args=(key,))
    return str(st.session_state[key])


def _describe(weights: Path) -> str:
    name = "best" if weights.stem == "best" else weights.stem.replace("epoch-", "epoch ")
    try:
        about = read_about(weights)
    except CheckpointError:
        return f"{name} · cannot be read"
    of_epoch = f" · epoch {about.epoch}" if name == "best" else ""
    score = "" if about.mean_iou is None else f" · mean IoU {about.mean_iou:.1%}"
    return f"{name}{of_epoch}{score}"


def _choose_frame(folders: Folders) -> Chosen | None:
    try:
        found = cached.frames(folders.data)
    except DatasetError as error:
        st.info(plain(error), icon=":material/info:")
        st.page_link(page_file("overview"), label="Get frames", icon=":material/home:")
        return None
    frames = sorted(found, key=lambda frame: _SPLITS.index(frame.split))
    by_name = {in_address(frame): (frame, path) for frame in frames if (path := frame.image)}
    if not by_name:
        st.info(f"{plain(folders.data)} has no photos.", icon=":material/info:")
        return None
    name = _choose("Frame", list(by_name), "frame", str)
    _show_steps(list(by_name), name)
    return _of_frame(*by_name[name])


_STEPS: Final = (
    ("Previous", -1, ":material/chevron_left:", "Shift+Left"),
    ("Next", 1, ":material/chevron_right:", "Shift+Right"),
)


def _show_steps(names: Sequence[str], name: str) -> None:
    """Buttons for the frames before and after `name`, and the way to it in Browse."""
    place = names.index(name)
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, step, icon, shortcut in _STEPS:
            st.button(
                label,
                key=label,
                icon=icon,
                shortcut=shortcut,
                disabled=not 0 <= place + step < len(names),
                on_click=_go_to,
                args=(names[(place + step) % len(names)],),
            )
        st.page_link(
            page_file("browse"),
            label="Browse",
            icon=":material/photo_library:",
            query_params={"frame": name},
        )


def _go_to(name: str) -> None:
    st.query_params["frame"] = name


def _of_frame(frame: Frame, path: Path) -> Chosen:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    return Chosen(in_address(frame), content, lambda content: decode_frame(content, path), frame)
