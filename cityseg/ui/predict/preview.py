"""A small picture with its prediction over it, made beside the page and not before it."""

from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import streamlit as st
from cachetools import LRUCache

from cityseg.arrays import as_uint8
from cityseg.errors import CitysegError
from cityseg.ui.cached import stamp
from cityseg.ui.decoding import BUDGET, pixels_in
from cityseg.ui.pictures import as_jpeg
from cityseg.ui.predict.inputs import InputPicture
from cityseg.ui.routes import publish
from cityseg.ui.text import plain, sentence

_WIDTH: Final = 640
_POLL_SECONDS: Final = 1.0

_previews: LRUCache[Hashable, "Future[bytes]"] = LRUCache(16)
_lock: Final = Lock()
#: One thread: a network takes all cores, and much memory.
_worker: Final = ThreadPoolExecutor(1, "cityseg-preview")


def show_preview(
    weights: Path, name: str, picture: InputPicture, pixel_aspect: float = 1.0, photo: str = ""
) -> None:
    """Draw `picture` with the colours of what `weights` predict, by the network called `name`.

    Until it is predicted, which takes seconds the first time, this part of the page has the picture
    at the address `photo`, and looks again by itself.
    """
    future = preview(weights, picture, pixel_aspect)
    every = None if future.done() else _POLL_SECONDS
    text = f"{name} on {picture.name}"
    st.fragment(_draw, run_every=every)(future, text, photo, pixel_aspect, every is None)


def preview(weights: Path, picture: InputPicture, pixel_aspect: float) -> "Future[bytes]":
    """The JPEG of a preview, at once or later; the same one is made once for all sessions."""
    key = (weights, stamp(weights), picture.name, hash(picture.content), pixel_aspect)
    with _lock:
        if key not in _previews:
            _previews[key] = _worker.submit(_make, weights, picture, pixel_aspect)
        return _previews[key]


def _make(weights: Path, picture: InputPicture, pixel_aspect: float) -> bytes:
    """Runs in a thread of its own, in which nothing of Streamlit may be called."""
    from cityseg.prediction import Predictor, overlay  # loads torch

    with BUDGET.spending(pixels_in(BytesIO(picture.content))):
        photo = picture.decode(picture.content)
        train_ids = Predictor.load(weights).predict(photo, pixel_aspect=pixel_aspect).train_ids
    height, width = photo.shape[:2]
    size = _WIDTH, max(1, round(_WIDTH * height / (width * pixel_aspect)))
    small = cv2.resize(overlay(photo, train_ids), size, interpolation=cv2.INTER_AREA)
    return as_jpeg(as_uint8(small)).content


def _draw(
    future: "Future[bytes]", text: str, photo: str, pixel_aspect: float, was_done: bool
) -> None:
    if not future.done():
        if photo:
            fit = "cover" if pixel_aspect == 1 else "fill"  # a stretched photo gets its proportions
            _draw_image(photo, f"Photo: {text}", f"aspect-ratio: 2; object-fit: {fit};")
        st.caption(f"Predicting: {plain(text)} …")
        return
    if not was_done:
        st.rerun()  # of the whole page, where the polling ends
    try:
        address = publish(future.result(), "image/jpeg")
    except CitysegError as error:
        st.caption(plain(sentence(error)))
        return
    _draw_image(address, f"Prediction: {text}")
    st.caption(plain(sentence(text)))


def _draw_image(address: str, text: str, more: str = "") -> None:
    style = f"width: 100%; border-radius: 4px; {more}"
    st.html(f'<img src="{escape(address)}" alt="{escape(text)}" style="{style}">')
