"""Crops of a region of evidence: photo, truth and prediction, with the region outlined.

Nothing is decoded before the browser asks for a crop (`routes.promise`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from cityseg.arrays import BoolArray, Uint8Array, as_uint8
from cityseg.data import Frame, Reading, decode_frame, picture_size_hw, png, read_bytes
from cityseg.errors import ImageError
from cityseg.evaluation import BOTH, Region, enlarged
from cityseg.labels import IGNORE, TRAIN_ID_OF_LABEL_ID, TRAIN_ID_PALETTE
from cityseg.metrics import SIDES
from cityseg.system import file_stamp
from cityseg.ui.pictures import Encoded, as_jpeg
from cityseg.ui.routes import promise
from cityseg.ui.text import utf8

#: The pictures of a region.
PANES: Final = ("Photo", "Truth", "Prediction")
_WIDTH: Final = 420  # of a crop, in pixels
_PROPORTION: Final = 3 / 4
#: A window is so many times as large as its region, and at least this part of the frame's width.
_CONTEXT: Final = 2
_LEAST_PART: Final = 1 / 12
#: The outline: a light line in a dark one shows on any picture. No class has these values.
_DARK, _LIGHT = 253, 254
_PALETTE: Final = TRAIN_ID_PALETTE.copy()
_PALETTE[_DARK], _PALETTE[_LIGHT] = 0, 255
_LINES: Final = ((_DARK, 5), (_LIGHT, 2))


class Window(NamedTuple):
    """A part of a picture in its pixels; `bottom` and `right` are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, pixels: Uint8Array) -> Uint8Array:
        """That part of an (H, W, …) array."""
        return pixels[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a frame: `prediction` is that of the evidence, at the network's size."""

    frame: Frame
    reading: Reading
    prediction: Path
    pixel_aspect: float = 1.0

    @property
    def photo_file(self) -> Path:
        """Raises ImageError if there is none."""
        if self.frame.image is None:
            raise ImageError(f"{self.frame.name} has no photo: add it to leftImg8bit")
        return self.frame.image

    @property
    def truth_file(self) -> Path:
        """Raises ImageError if there is none."""
        path = self.frame.label_ids or self.frame.polygons
        if path is None:
            raise ImageError(f"{self.frame.name} has no annotation: add it to gtFine")
        return path

    def size_hw(self) -> tuple[int, int]:
        """Height and width of the photo, from its header; raises ImageError."""
        if size_hw := picture_size_hw(self.photo_file):
            return size_hw
        raise ImageError(f"{self.photo_file} is no picture: replace it")


def crop_addresses(region: Region, source: Source) -> dict[str, str]:
    """An address for each of PANES that there are files for; raises ImageError."""
    files = {
        "Photo": source.photo_file,
        "Truth": source.truth_file,
        "Prediction": source.prediction,
    }
    addresses = {}
    for pane, path in files.items():
        if not path.is_file():
            continue
        # The outline comes from these two.
        needed = dict.fromkeys([path, source.truth_file])
        if region.side != SIDES[0] and source.prediction.is_file():
            needed |= {source.prediction: None}
        identity = f"{pane} {region} {source} {[file_stamp(each) for each in needed]}"
        addresses[pane] = promise(identity, partial(make_crop, pane, region, source), list(needed))
    return addresses


def window_around(region: Region, size_hw: tuple[int, int], pixel_aspect: float = 1.0) -> Window:
    """What a crop shows of a picture: the region with its surroundings, within the picture."""
    height, width = size_hw
    proportion = _PROPORTION * pixel_aspect  # in pixels, which may be wider than high
    wide = max(
        (region.right - region.left) * _CONTEXT,
        (region.bottom - region.top) * _CONTEXT / proportion,
        width * _LEAST_PART,
    )
    high = min(height, round(wide * proportion))
    wide = min(width, round(wide))
    top = (region.top + region.bottom - high) // 2
    left = (region.left + region.right - wide) // 2
    top = min(max(0, top), height - high)
    left = min(max(0, left), width - wide)
    return Window(top, left, top + high, left + wide)


class Place(NamedTuple):
    """Where the viewer shows what a crop does, as its address, and the crop's width / height."""

    address: Mapping[str, str]
    aspect: float


def viewer_place(region: Region, size_hw: tuple[int, int], pixel_aspect: float = 1.0) -> Place:
    """The place of that window: its centre, and how far to zoom in."""
    window = window_around(region, size_hw, pixel_aspect)
    high, wide = window.bottom - window.top, window.right - window.left
    x, y = (window.left + window.right) / 2, (window.top + window.bottom) / 2
    zoom = min(size_hw[0] / high, size_hw[1] / wide)
    address = {"frame": utf8(region.frame), "view": f"{x:g},{y:g},{zoom:.2f}"}
    return Place(address, wide * pixel_aspect / high)


def make_crop(pane: str, region: Region, source: Source) -> Encoded:
    """A crop as a JPEG, or of labels as a palette PNG; raises CitysegError."""
    truth = read_truth(source)
    window = window_around(region, truth.shape, source.pixel_aspect)
    outline = _outline_of(region, source, truth)
    if pane == "Photo":
        photo = _read_photo(source, truth.shape)
        canvas = _scaled(window.of(photo), source.pixel_aspect)
        return as_jpeg(_outlined(canvas, outline, window))
    label_map = truth if pane == "Truth" else _read_prediction(source, truth)
    canvas = _scaled(window.of(label_map), source.pixel_aspect, cv2.INTER_NEAREST)
    return Encoded(png.encode_palette(_outlined(canvas, outline, window), _PALETTE), "image/png")


def read_truth(source: Source) -> Uint8Array:
    """The (H, W) train ids of the annotation; raises CitysegError."""
    label_ids = source.reading.label_ids(source.truth_file)
    return as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID))


def _read_photo(source: Source, size_hw: tuple[int, ...]) -> Uint8Array:
    photo = decode_frame(read_bytes(source.photo_file), source.photo_file)
    if photo.shape[:2] != size_hw:
        raise ImageError(f"{source.photo_file} has another size than the annotation: convert it")
    return photo


def _read_prediction(source: Source, truth: Uint8Array) -> Uint8Array:
    """The (H, W) prediction, enlarged by repeating pixels."""
    return enlarged(png.decode_grey(read_bytes(source.prediction)), truth.shape)


def _outline_of(region: Region, source: Source, truth: Uint8Array) -> BoolArray:
    """(H, W) bool: the pixels of the region; those of its box if it cannot be found again."""
    box = Window(region.top, region.left, region.bottom, region.right)
    inside = np.zeros(truth.shape, bool)
    own_map = box.of(_own_map(region, source, truth))
    inside[box.top : box.bottom, box.left : box.right] = find_region(own_map, region)
    return inside


def _own_map(region: Region, source: Source, truth: Uint8Array) -> Uint8Array:
    """The map that the region is a component of; IGNORE alone where it is not kept."""
    if region.side == SIDES[0]:
        return truth
    if not source.prediction.is_file():
        return np.full_like(truth, IGNORE)
    prediction = _read_prediction(source, truth)
    if region.side == BOTH:
        is_cell = (truth == region.train_id) & (prediction == region.other)
        return np.where(is_cell, truth, np.uint8(IGNORE))
    return np.where(truth == IGNORE, truth, prediction)


def find_region(label_map: Uint8Array, region: Region) -> BoolArray:
    """The component of the region's class in its box, an (h, w) map, whose size is closest to it.

    Where there is none, which happens to the smallest regions of a prediction at the network's
    size, the whole box.
    """
    own = as_uint8((label_map == region.train_id).view(np.uint8))
    _, ids, statistics, _ = cv2.connectedComponentsWithStats(own, connectivity=4)
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    if not sizes.size:
        return np.ones(label_map.shape, bool)
    return np.asarray(ids == 1 + np.argmin(np.abs(sizes - region.pixels)))


def _scaled(
    pixels: Uint8Array, pixel_aspect: float, interpolation: int | None = None
) -> Uint8Array:
    """A crop at the size that is shown; photos are averaged or interpolated."""
    height, width = pixels.shape[:2]
    if interpolation is None:
        interpolation = cv2.INTER_AREA if width > _WIDTH else cv2.INTER_CUBIC
    size = _WIDTH, max(1, round(_WIDTH * height / (width * pixel_aspect)))
    return as_uint8(cv2.resize(pixels, size, interpolation=interpolation))


def _outlined(canvas: Uint8Array, inside: BoolArray, window: Window) -> Uint8Array:
    """The crop with a line around the pixels `inside`, (H, W) bool of the whole picture."""
    size = canvas.shape[1], canvas.shape[0]
    shown = as_uint8(inside.astype(np.uint8))
    mask = cv2.resize(window.of(shown), size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    result = np.ascontiguousarray(canvas)
    for value, thickness in _LINES:
        is_photo = result.ndim == 3
        color = _PALETTE[value].tolist() if is_photo else value
        cv2.drawContours(result, contours, -1, color, thickness)
    return result
