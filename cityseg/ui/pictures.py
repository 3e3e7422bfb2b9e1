"""The pictures of a frame that the browser fetches, encoded on request.

Photos are JPEGs to look at. Label maps, masks and instance ids are PNGs as `png.encode_grey`
writes them, whose values the viewer reads exactly. `st.image` would not do: it encodes arrays as
JPEG and resizes wide pictures smoothly, so that a mask of 19 classes gets thousands of colours.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import (
    Frame,
    Reading,
    decode_frame,
    decode_mask,
    picture_size_hw,
    png,
    read_bytes,
    read_grey_png,
    read_stored_values,
)
from cityseg.errors import CitysegError, ImageError
from cityseg.evaluation import picture_paths
from cityseg.labels import LABEL_ID_PALETTE, TRAIN_ID_PALETTE
from cityseg.system import file_stamp, read_regular_file

_JPEG_QUALITY: Final = 90
THUMBNAIL_WIDTH: Final = 320


class Encoded(NamedTuple):
    """The bytes of a picture file, and its media type."""

    content: bytes
    media_type: str


class Kind(NamedTuple):
    """A kind of picture: its file for a frame and a folder of masks, its encoding, its absence."""

    source: Callable[[Frame, Path], Path | None]
    encode: Callable[[Path, Reading], Encoded]
    missing: Callable[[Frame], CitysegError]


def version(path: Path, kind: Kind, reading: Reading) -> str:
    """A name for the picture of this file, which changes when the file or its reading changes.

    Raises ImageError if the file cannot be read.
    """
    try:
        size, mtime_ns = file_stamp(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    read_as = f"{reading}" if kind.encode in (_labels, _overlay) else ""
    text = f"{kind.encode.__name__} {path} {size} {mtime_ns} {read_as}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def _jpeg(path: Path, reading: Reading) -> Encoded:
    return as_jpeg(_decode_photo(path))


def _thumbnail(path: Path, reading: Reading) -> Encoded:
    rgb = _decode_photo(path, THUMBNAIL_WIDTH)
    return as_jpeg(as_uint8(cv2.resize(rgb, _small(rgb), interpolation=cv2.INTER_AREA)))


def _small(pixels: Uint8Array) -> tuple[int, int]:
    """Width and height of the thumbnail of an (H, W, …) array."""
    width = min(THUMBNAIL_WIDTH, pixels.shape[1])
    return width, max(1, round(pixels.shape[0] * width / pixels.shape[1]))


def _decode_photo(path: Path, least_width: int | None = None) -> Uint8Array:
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    return decode_frame(content, path, least_width)


def as_jpeg(rgb: Uint8Array) -> Encoded:
    """(H, W, 3) uint8 RGB as a JPEG to look at; raises ImageError if no JPEG is that large."""
    options = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    encoded, content = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not encoded:
        height, width, _ = rgb.shape
        raise ImageError(
            f"A picture of {width}×{height} pixels is too large for a JPEG: make it smaller"
        )
    return Encoded(content.tobytes(), "image/jpeg")


def _labels(path: Path, reading: Reading) -> Encoded:
    return Encoded(png.encode_grey(reading.label_ids(path)), "image/png")


def _overlay(path: Path, reading: Reading) -> Encoded:
    """The labels as small as the thumbnail, in their colours."""
    label_ids = reading.label_ids(path)
    small = as_uint8(cv2.resize(label_ids, _small(label_ids), interpolation=cv2.INTER_NEAREST))
    return Encoded(png.encode_palette(small, LABEL_ID_PALETTE), "image/png")


def _values(path: Path, reading: Reading) -> Encoded:
    """What the annotation's file holds: grey values, indices, or red, green, blue side by side."""
    values = read_stored_values(path)
    return Encoded(png.encode_grey(values.reshape(len(values), -1)), "image/png")


def _mask(path: Path, reading: Reading) -> Encoded:
    return Encoded(png.encode_grey(decode_mask(read_bytes(path), path)), "image/png")


def _instances(path: Path, reading: Reading) -> Encoded:
    """16-bit ids as big-endian bytes side by side, a picture of twice the width.

    A browser decodes 16-bit PNGs to 8 bits.
    """
    ids = read_grey_png(path, np.uint16)
    return Encoded(png.encode_grey(ids.astype(">u2").view(np.uint8)), "image/png")


def _no_image(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no photo: add it to leftImg8bit")


def _no_annotation(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no annotation: add it to gtFine")


def _no_mask(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no mask: convert it on the page Masks")


def _no_instances(frame: Frame) -> CitysegError:
    return ImageError(f"{frame.name} has no instance ids")


#: Kinds of pictures that show an annotation.
ANNOTATIONS: Final = ("labels", "overlay", "values", "instances")


def predicted_kind(name: str, evidence: Path, frame: Frame) -> Kind | None:
    """The kind of picture that a folder of evidence has of a frame; None for other kinds.

    "prediction" and "confidence" are at the size of the photo, because all label maps of the viewer
    are of one size; "overlay" has the colours of the prediction, as small as the thumbnail.
    """
    maps = dict(zip(("prediction", "confidence"), picture_paths(evidence, frame.name), strict=True))
    if name not in (*maps, "overlay"):
        return None
    path = maps.get(name, maps["prediction"])

    def enlarged(path: Path, reading: Reading) -> Encoded:
        pixels = read_grey_png(path, np.uint8)
        height, width = picture_size_hw(frame.image) or pixels.shape
        large = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST)
        return Encoded(png.encode_grey(as_uint8(large)), "image/png")

    encode = _predicted_overlay if name == "overlay" else enlarged
    return Kind(lambda frame, _: _existing(path), encode, _no_prediction)


def _predicted_overlay(path: Path, reading: Reading) -> Encoded:
    train_ids = read_grey_png(path, np.uint8)
    small = as_uint8(cv2.resize(train_ids, _small(train_ids), interpolation=cv2.INTER_NEAREST))
    return Encoded(png.encode_palette(small, TRAIN_ID_PALETTE), "image/png")


def _no_prediction(frame: Frame) -> CitysegError:
    return ImageError(
        f"The evidence has no picture of {frame.name}: collect it again without --no-pictures"
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


KINDS: Final[dict[str, Kind]] = {
    "image": Kind(lambda frame, _: frame.image, _jpeg, _no_image),
    "thumbnail": Kind(lambda frame, _: frame.image, _thumbnail, _no_image),
    "labels": Kind(lambda frame, _: frame.label_ids or frame.polygons, _labels, _no_annotation),
    "overlay": Kind(lambda frame, _: frame.label_ids or frame.polygons, _overlay, _no_annotation),
    "values": Kind(lambda frame, _: frame.label_ids, _values, _no_annotation),
    "instances": Kind(lambda frame, _: frame.instance_ids, _instances, _no_instances),
    "mask": Kind(lambda frame, masks: _existing(frame.mask(masks)), _mask, _no_mask),
}
