"""What the browser fetches of a frame, encoded when it asks, and a bounded memory of that.

Photos are JPEGs to look at. Label maps, masks and instance ids are PNGs as `png.encode_grey`
writes them, whose values the viewer reads exactly.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import cv2
import numpy as np
from cachetools import LRUCache

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import (
    Frame,
    decode_frame,
    decode_mask,
    png,
    read_bytes,
    read_grey_png,
    read_label_ids,
)
from cityseg.errors import CitysegError, ImageError, MaskError

_JPEG_QUALITY: Final = 90
THUMBNAIL_WIDTH: Final = 320


class Encoded(NamedTuple):
    """The bytes of a picture file, and its media type."""

    content: bytes
    media_type: str


class Memory:
    """Encoded pictures by key, the least recently used forgotten beyond `limit` bytes."""

    def __init__(self, limit: int) -> None:
        """Begin empty."""
        # LRUCache refuses what is larger than itself: such a picture counts as all of it.
        self._kept: LRUCache[str, Encoded] = LRUCache(
            limit, getsizeof=lambda picture: min(len(picture.content), limit)
        )
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], Encoded]) -> Encoded:
        """What is kept under `key`, else what `make` makes, which is kept then."""
        with self._lock:
            if kept := self._kept.get(key):
                return kept
        made = make()
        self.put(key, made)
        return made

    def put(self, key: str, picture: Encoded) -> None:
        """Keep `picture`, however large it is, at the expense of others."""
        with self._lock:
            self._kept[key] = picture


class Kind(NamedTuple):
    """Where the picture of a frame comes from, how it is made, what to say if there is none."""

    source: Callable[[Frame, Path], Path | None]
    encode: Callable[[Path], Encoded]
    missing: Callable[[Frame], CitysegError]


def version(path: Path, kind: Kind) -> str:
    """A name for the picture made of the file as it is now: another file, another name.

    Raises ImageError if there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    told = f"{kind.encode.__name__} {path} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:32]


def _jpeg(path: Path) -> Encoded:
    return as_jpeg(_decode_photo(path))


def _thumbnail(path: Path) -> Encoded:
    rgb = _decode_photo(path)
    width = min(THUMBNAIL_WIDTH, rgb.shape[1])
    height = max(1, round(rgb.shape[0] * width / rgb.shape[1]))
    return as_jpeg(as_uint8(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)))


def _decode_photo(path: Path) -> Uint8Array:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    return decode_frame(content, path)


def as_jpeg(rgb: Uint8Array) -> Encoded:
    """(H, W, 3) uint8 RGB as a JPEG to look at; raises ImageError if no JPEG is that large."""
    options = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    encoded, content = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not encoded:
        height, width, _ = rgb.shape
        raise ImageError(
            f"{width}×{height} pixels do not fit into a JPEG: make the picture smaller"
        )
    return Encoded(content.tobytes(), "image/jpeg")


def _labels(path: Path) -> Encoded:
    return Encoded(png.encode_grey(read_label_ids(path)), "image/png")


def _mask(path: Path) -> Encoded:
    return Encoded(png.encode_grey(decode_mask(read_bytes(path), path)), "image/png")


def _instances(path: Path) -> Encoded:
    """Each row's 16-bit ids as big-endian bytes: a picture of twice the width."""
    ids = read_grey_png(path, np.uint16)
    return Encoded(png.encode_grey(ids.astype(">u2").view(np.uint8)), "image/png")


def _no_image(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no photo: fetch it")


def _no_annotation(frame: Frame) -> CitysegError:
    return MaskError("missing_annotation", f"{frame.name} has no annotation: fetch it")


def _no_mask(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no mask: run the conversion on the page Masks")


def _no_instances(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no instance ids")


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


KINDS: Final[dict[str, Kind]] = {
    "image": Kind(lambda frame, _: frame.image, _jpeg, _no_image),
    "thumbnail": Kind(lambda frame, _: frame.image, _thumbnail, _no_image),
    "labels": Kind(lambda frame, _: frame.label_ids or frame.polygons, _labels, _no_annotation),
    "instances": Kind(lambda frame, _: frame.instance_ids, _instances, _no_instances),
    "mask": Kind(lambda frame, masks: _existing(frame.mask(masks)), _mask, _no_mask),
}
