"""Frames of the dataset with the colours of their labels over them, as links to the viewer."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

import numpy as np
import streamlit as st

from cityseg.data import Catalogue, Frame
from cityseg.ui.folders import Folders, page_address
from cityseg.ui.routes import frame_gallery
from cityseg.ui.text import utf8
from cityseg.ui.viewer import Gallery

#: As high as the best network's prediction beside them, at the usual widths of a window.
_MOST: Final = 12
_STYLE: Final = """<style>
.mosaic { display: grid; grid-template-columns: repeat(var(--columns), 1fr); gap: 4px; }
.mosaic a { position: relative; aspect-ratio: 2; overflow: hidden; border-radius: 4px; }
.mosaic img { position: absolute; width: 100%; height: 100%; object-fit: var(--fit); }
.mosaic img::before { content: ""; position: absolute; inset: 0; background: #808080; }
.mosaic .colors { opacity: 0.5; image-rendering: pixelated; }
.mosaic a:hover .colors, .mosaic a:focus-visible .colors { opacity: 0; }
</style>"""


def show_mosaic(folders: Folders, catalogue: Catalogue) -> None:
    """Draw some frames with their labels; the photo alone is under the pointer."""
    frames = mosaic_frames(catalogue)
    if not frames:
        return
    gallery = frame_gallery(folders, frames)
    tiles = "".join(_tile(gallery, frame) for frame in frames)
    columns = math.ceil(math.sqrt(len(frames) / 1.5))  # fewer frames are larger
    fit = "cover" if catalogue.pixel_aspect.value == 1 else "fill"
    style = f"--columns: {columns}; --fit: {fit}"
    st.html(f'{_STYLE}<div class="mosaic" style="{style}">{tiles}</div>')


def mosaic_frames(catalogue: Catalogue) -> Sequence[Frame]:
    """At most twelve frames with a photo, spread over the dataset; with a mask, if any has one."""
    has_photo = np.array([frame.image is not None for frame in catalogue.frames], np.bool_)
    with_mask = has_photo & catalogue.converted & catalogue.present.any(axis=1)
    positions = np.flatnonzero(with_mask if with_mask.any() else has_photo)
    spread = np.linspace(0, len(positions), min(_MOST, len(positions)), endpoint=False).astype(int)
    return [catalogue.frames[position] for position in positions[spread]]


def _tile(gallery: Gallery, frame: Frame) -> str:
    name = utf8(frame.name)

    def address(kind: str) -> str:
        return escape(f"{gallery.base}{kind}?frame={quote(name, safe='')}")

    images = f'<img src="{address("thumbnail")}" alt="Frame {escape(name)}">'
    if "overlay" in gallery.kinds and (frame.label_ids or frame.polygons):
        images += f'<img class="colors" src="{address("overlay")}" alt="">'
    return f'<a href="{escape(page_address("browse", frame=name))}">{images}</a>'
