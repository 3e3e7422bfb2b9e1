"""The choice of a picture: a frame of the dataset, a file, or one from a camera."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cityseg.arrays import Uint8Array
from cityseg.corruption import Corruption
from cityseg.data import PICTURE_SUFFIXES, Frame, decode_frame, png, read_image
from cityseg.errors import ImageError
from cityseg.sample import paint_frame
from cityseg.ui import address, cached
from cityseg.ui.decoding import BUDGET, pixels_in
from cityseg.ui.folders import Folders
from cityseg.ui.predict.uploads import choose_file
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain, sentence, utf8

#: The source that is no picture.
VIDEO: Final = "Video"
_LARGEST_PICTURE_MIB: Final = 64
#: In the order of offer: the first frame is one that training has not seen, with an annotation.
_SPLITS: Final = ("val", "test", "train", "train_extra")
_PAINTED: Final = "A painted street"
#: Frames in one select box: a browser takes more than a second to draw one of 20,000.
_LONGEST: Final = 1000
_PART: Final = "frames_of"


@dataclass(frozen=True, slots=True)
class InputPicture:
    """A picture file; `decode` turns its content into (H, W, 3) uint8 RGB.

    The annotation is that of `frame`, or `truth`, (H, W) uint8 label ids. `corruption` is what
    `decode` does beside decoding.
    """

    name: str
    content: bytes = field(repr=False)
    decode: Callable[[bytes], Uint8Array]
    frame: Frame | None = None
    truth: Uint8Array | None = field(default=None, repr=False)
    corruption: Corruption | None = None


def choose_source() -> str:
    """Draw the choice of what is predicted: VIDEO, or a source for `choose_picture`."""
    return address.one_of("Picture", ("Frame", "File", "Camera", VIDEO), "picture")


def choose_picture(source: str, folders: Folders, below: DeltaGenerator) -> InputPicture | None:
    """Draw the choice of a picture, and `below` the field for a file; None before one is chosen.

    Without frames, there is a painted street in their place. Raises ImageError if a frame's file
    cannot be read.
    """
    if source == "Frame":
        return _choose_frame(folders, below)
    with below:
        if source == "File":
            return choose_file(
                "Picture file",
                "picture_file",
                _accept_picture,
                max_upload_size=_LARGEST_PICTURE_MIB,
                help=f"Of any size: {', '.join(PICTURE_SUFFIXES)}.",
            )
        # So wide that the button below the picture is in the first screenful, too.
        file = st.camera_input(
            "Camera picture", key="camera_picture", resolution="1080p", width=640
        )
        return InputPicture(file.name, file.getvalue(), read_image) if file else None


def _accept_picture(file: UploadedFile) -> InputPicture:
    """An uploaded picture, once it was decoded; raises ImageError."""
    name = file.name
    picture = InputPicture(name, file.getvalue(), lambda content: read_image(content, name))
    with BUDGET.spending(pixels_in(file)):
        picture.decode(picture.content)
    return picture


def _choose_frame(folders: Folders, below: DeltaGenerator) -> InputPicture:
    problem = cached.missing_frames(folders.data, folders.masks)
    found = [] if problem else cached.frames(folders.data, folders.masks)
    frames = sorted(found, key=lambda frame: _SPLITS.index(frame.split))
    by_name = {utf8(frame.name): (frame, path) for frame in frames if (path := frame.image)}
    if not by_name:
        problem = problem or f"{folders.data} has no photos"
        with below, st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"{plain(sentence(problem))} Until there are frames, this is a painted street.",
                width="content",
            )
            st.page_link(page_file("overview"), label="Get frames", icon=":material/home:")
        return painted_street()
    names = list(by_name)
    asked = st.query_params.get("frame")
    if asked and asked not in by_name:
        with below:
            address.say_missing(f"photo of {plain(asked)}")
    if len(names) > _LONGEST:
        part = _choose_part(_parts(names))
        name = address.select("Frame", part, "frame", _stem, width=225)
    else:
        name = address.select("Frame", names, "frame", str, width=300)
    _show_steps(names, name)
    return read_frame(*by_name[name])


def _parts(names: Sequence[str]) -> dict[str, list[str]]:
    """The names of each city's frames, in parts of at most _LONGEST, by title."""
    cities: dict[str, list[str]] = {}
    for name in names:
        cities.setdefault(name.rpartition("/")[0], []).append(name)
    parts = {}
    for city, of_city in cities.items():
        for start in range(0, len(of_city), _LONGEST):
            part = of_city[start : start + _LONGEST]
            which = f"{start + 1:,}–{start + len(part):,} of " if part != of_city else ""
            parts[f"{city.replace('/', ' · ', 1)} ({which}{len(of_city):,})"] = part
    return parts


def _choose_part(parts: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Draw the choice among `parts`, and return its names; the frame in the address decides."""
    asked = st.query_params.get("frame")
    first = {title: names[0] for title, names in parts.items()}
    st.session_state[_PART] = next(
        (title for title, names in parts.items() if asked in names), next(iter(parts))
    )
    st.selectbox(
        "Split and city",
        list(parts),
        key=_PART,
        on_change=lambda: _go_to(first[st.session_state[_PART]]),
        width=225,
    )
    return parts[st.session_state[_PART]]


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


@st.cache_resource(max_entries=1, show_spinner="Painting a street …")
def painted_street() -> InputPicture:
    """A frame of the sample city that no training on it sees, with its annotation."""
    picture, label_ids = paint_frame("val", 0)
    return InputPicture(_PAINTED, png.encode_rgb(picture), read_image, truth=label_ids)


#: Letters: arrows belong to the viewer, which moves the picture by them.
_STEPS: Final = (
    ("Previous", -1, ":material/chevron_left:", "P"),
    ("Next", 1, ":material/chevron_right:", "N"),
)


def _show_steps(names: Sequence[str], name: str) -> None:
    """Buttons for the frames before and after `name`."""
    position = names.index(name)
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
