"""Predictions for the pages: one at a time for all sessions, and the most recent ones kept."""

import hashlib
import importlib
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np
import streamlit as st
from cachetools import LRUCache

from cityseg.arrays import Uint8Array
from cityseg.corruption import Corruption
from cityseg.data import png
from cityseg.errors import CheckpointError
from cityseg.ui.cached import stamp
from cityseg.ui.decoding import BUDGET, pixels_in
from cityseg.ui.pictures import as_jpeg

if TYPE_CHECKING:
    from cityseg.prediction import Predictor

#: Held while a network predicts: memory is that of one prediction, however many people ask.
_BUSY: Final = threading.Lock()
#: A prediction for a genuine frame takes 3 MB.
_KEPT_BYTES: Final = 128 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """A weights file that somebody uploaded; `id` differs between any two uploads."""

    id: str
    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """A prediction, its pictures for `routes.publish`, and the seconds that each step took.

    `train_ids` is (H, W) uint8, 0–18. The PNGs are grey: the train ids, and the confidence with
    255 for 1. `photo_jpeg` is the picture that was predicted, upright.
    """

    train_ids: Uint8Array
    train_ids_png: bytes
    confidence_png: bytes
    photo_jpeg: bytes
    decode_seconds: float
    network_seconds: float

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory."""
        pictures = (self.train_ids_png, self.confidence_png, self.photo_jpeg)
        return self.train_ids.nbytes + sum(map(len, pictures))


def _bounded_size(predicted: Predicted) -> int:
    """For LRUCache, which refuses a value larger than the whole cache."""
    return min(predicted.size_bytes, _KEPT_BYTES)


_kept: LRUCache[Hashable, Predicted] = LRUCache(_KEPT_BYTES, getsizeof=_bounded_size)
_kept_lock: Final = threading.Lock()


def predict(
    weights: Path | Upload,
    picture: bytes,
    decode: Callable[[bytes], Uint8Array],
    *,
    sliding: bool = False,
    flip: bool = False,
    pixel_aspect: float = 1.0,
    corruption: Corruption | None = None,
) -> Predicted:
    """Predict the picture file `picture`, which `decode` turns into (H, W, 3) uint8 RGB.

    `corruption` is what `decode` does beside decoding.

    `sliding`, `flip` and `pixel_aspect` are those of `Predictor.predict`.
    The same weights, picture and options are predicted once. Raises what `decode` raises,
    CheckpointError, or CitysegError if the memory does not suffice.
    """
    digest = hashlib.blake2b(picture, digest_size=16).digest()
    key = (version(weights), digest, sliding, flip, pixel_aspect, corruption)
    with _kept_lock:
        if kept := _kept.get(key):
            return kept
    if corruption:  # which `decode` needs torch for
        _load_torch()
    with waiting_for_others(), st.spinner("Predicting …", show_time=True):
        with _kept_lock:
            if kept := _kept.get(key):  # another session has just predicted the same
                return kept
        with BUDGET.spending(pixels_in(BytesIO(picture))):
            predicted = _predict(weights, lambda: decode(picture), sliding, flip, pixel_aspect)
        with _kept_lock:
            _kept[key] = predicted
        return predicted


@contextmanager
def waiting_for_others() -> Iterator[None]:
    """Hold `_BUSY`, and say so while another session holds it."""
    is_mine = _BUSY.acquire(blocking=False)
    try:
        if not is_mine:
            with st.spinner("Another picture is being predicted: yours is next …", show_time=True):
                is_mine = _BUSY.acquire()
        yield
    finally:
        # The end of the spinner raises if the page was left while this session waited: the lock
        # is held then although the block above never ran.
        if is_mine:
            _BUSY.release()


def _predict(
    weights: Path | Upload,
    decode: Callable[[], Uint8Array],
    sliding: bool,
    flip: bool,
    pixel_aspect: float,
) -> Predicted:
    started = time.perf_counter()
    photo = decode()
    decoded = time.perf_counter()
    # Both may refuse the picture, which should be known before the network is loaded.
    photo_jpeg = as_jpeg(photo).content
    network = load(weights)
    loaded = time.perf_counter()
    prediction = network.predict(
        photo, sliding=sliding, flip=flip, with_confidence=True, pixel_aspect=pixel_aspect
    )
    predicted = time.perf_counter()
    confidence = np.nan_to_num(np.asarray(prediction.confidence, np.float32) * 255)
    return Predicted(
        prediction.train_ids,
        png.encode_grey(prediction.train_ids),
        png.encode_grey(np.rint(confidence).astype(np.uint8)),
        photo_jpeg,
        decoded - started,
        predicted - loaded,
    )


def load(weights: Path | Upload) -> "Predictor":
    """The network of a weights file, kept for all sessions; raises CheckpointError, ModelError."""
    _load_torch()
    return _network(version(weights), weights)


def _load_torch() -> None:
    """Import what takes seconds the first time, and say so."""
    if "cityseg.prediction" not in sys.modules:
        with st.spinner("Loading PyTorch, for the first picture of this server …", show_time=True):
            importlib.import_module("cityseg.prediction")


def version(weights: Path | Upload) -> Hashable:
    """Differs between any two weights, also those that replace others under the same name."""
    return weights.id if isinstance(weights, Upload) else (weights, stamp(weights))


# `_weights` begins with an underscore so that Streamlit does not hash megabytes at every run.
@st.cache_resource(max_entries=2, show_spinner="Loading the network …")
def _network(version: Hashable, _weights: Path | Upload) -> "Predictor":
    """The network of a weights file, loaded once for all sessions; raises CheckpointError."""
    from cityseg.prediction import Predictor  # loads torch
    from cityseg.runs.checkpoints import load_weights

    if isinstance(_weights, Path):
        return Predictor(load_weights(_weights))
    with as_file(_weights) as file:
        return Predictor(load_weights(file, _weights.name))


@contextmanager
def as_file(weights: Path | Upload) -> Iterator[Path]:
    """The weights, an upload as a temporary file.

    Raises CheckpointError if there is no room for it.
    """
    if isinstance(weights, Path):
        yield weights
        return
    upload = weights
    with ExitStack() as stack:
        try:
            file = Path(stack.enter_context(TemporaryDirectory()), "uploaded.safetensors")
            file.write_bytes(upload.content)
        except OSError as error:
            raise CheckpointError(
                f"{upload.name} cannot be kept among the temporary files while it is loaded "
                f"({error.strerror}): free some space there"
            ) from error
        yield file
