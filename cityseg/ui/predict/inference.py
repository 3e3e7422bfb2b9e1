"""Predictions for the pages: one at a time for all sessions, and the last few kept."""

import hashlib
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st
from cachetools import LRUCache

from cityseg.arrays import Uint8Array
from cityseg.data import png
from cityseg.ui import cached
from cityseg.ui.cached import Upload
from cityseg.ui.pictures import as_jpeg

#: Held while a network predicts: memory is that of one prediction, however many people ask.
_TURN: Final = threading.Lock()
#: Of a genuine frame, a prediction takes one megabyte.
_MOST_KEPT: Final = 12

_kept: LRUCache[Hashable, "Predicted"] = LRUCache(_MOST_KEPT)
_kept_lock: Final = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """Pictures of one size for `routes.publish`, and the seconds that each part has taken.

    Grey PNGs: `train_ids` 0–18, and `confidence`, 255 for 1. `photo` is a JPEG of what was
    predicted, upright.
    """

    train_ids: bytes
    confidence: bytes
    photo: bytes
    size_hw: tuple[int, int]
    decode_seconds: float
    network_seconds: float


def predict(
    weights: Path | Upload,
    picture: bytes,
    decode: Callable[[bytes], Uint8Array],
    *,
    sliding: bool = False,
    flip: bool = False,
) -> Predicted:
    """Predict the picture file with these bytes, which `decode` turns into (H, W, 3) uint8 RGB.

    Asked again, it is not predicted again. Raises what `decode` does, CheckpointError, or
    CitysegError if the memory does not suffice.
    """
    digest = hashlib.blake2b(picture, digest_size=16).digest()
    key = (cached.version(weights), digest, sliding, flip)
    if kept := _recall(key):
        return kept
    with _turn(), st.spinner("Predicting …", show_time=True):
        # Whoever was waited for may have asked the same.
        return _recall(key) or _keep(key, _predict(weights, lambda: decode(picture), sliding, flip))


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until nobody else predicts."""
    mine = _TURN.acquire(blocking=False)
    try:
        if not mine:
            with st.spinner("Another picture is being predicted: yours is next …", show_time=True):
                mine = _TURN.acquire()
        yield
    finally:  # also if the page was left while it waited, which the spinner's end raises
        if mine:
            _TURN.release()


def _predict(
    weights: Path | Upload, decode: Callable[[], Uint8Array], sliding: bool, flip: bool
) -> Predicted:
    started = time.perf_counter()
    picture = decode()
    decoded = time.perf_counter()
    photo = as_jpeg(picture).content
    predictor = cached.predictor(weights)
    loaded = time.perf_counter()
    prediction = predictor.predict(picture, sliding=sliding, flip=flip, with_confidence=True)
    seconds = time.perf_counter() - loaded
    confidence = np.nan_to_num(np.asarray(prediction.confidence, np.float32) * 255)
    return Predicted(
        png.encode_grey(prediction.train_ids),
        png.encode_grey(np.rint(confidence).astype(np.uint8)),
        photo,
        prediction.train_ids.shape,
        decoded - started,
        seconds,
    )


def _recall(key: Hashable) -> Predicted | None:
    with _kept_lock:
        return _kept.get(key)


def _keep(key: Hashable, predicted: Predicted) -> Predicted:
    with _kept_lock:
        _kept[key] = predicted
    return predicted
