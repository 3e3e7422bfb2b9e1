"""Where a picture lies in the input of a network, for training, validation and prediction alike.

Frames are rarely of the proportions of a network's input. `Geometry` is the one rule for that: the
frame store, the predictor and the evaluation at the training size place pictures and labels by it,
so that a network meets in prediction what it was trained on.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.labels import IGNORE

if TYPE_CHECKING:
    from cityseg.config import TrainConfig

#: How a picture is placed into a size. "contain" keeps the proportions in which it is displayed and
#: pads the rest; "squash" fills the size. The other two are what version 0.1.0 did in training and
#: in prediction.
Fit = Literal["contain", "squash", "squash_0_1_0", "keep_0_1_0"]

#: RGB around a picture: the mean of ImageNet's pixels, which is 0 once normalised.
PADDING: Final = (124, 116, 104)
#: Version 0.1.0 kept the sides of a picture to predict at least this long.
_MIN_SIDE: Final = 16


#: Of the input that a picture fills, or of its proportions: less is worth a sentence.
_LEAST_SHARE: Final = 0.9
#: Sides that suit every network are multiples of this.
_STEP: Final = 32


class Placement(NamedTuple):
    """A picture in an input of `canvas_hw`: its upper left corner and its size there, in pixels.

    `is_smooth` says that sides which grow are interpolated; version 0.1.0 repeated their pixels in
    training.
    """

    canvas_hw: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    is_smooth: bool

    @property
    def fills(self) -> bool:
        """Whether nothing is padded."""
        return (self.height, self.width) == self.canvas_hw

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the picture."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


@dataclass(frozen=True, slots=True)
class Geometry:
    """How pictures are placed into `size_hw` = (height, width).

    `pixel_aspect` is the width of a picture's pixel divided by its height, as it is displayed: 2
    for pictures of 2:1 that were squeezed to squares.
    """

    size_hw: tuple[int, int]
    fit: Fit = "contain"
    pixel_aspect: float = 1.0

    def placement(self, picture_hw: tuple[int, int]) -> Placement:
        """Where a picture of `picture_hw` pixels lies, in the middle of the input."""
        (height, width), (most_high, most_wide) = picture_hw, self.size_hw
        if self.fit in ("squash", "squash_0_1_0"):
            high, wide = self.size_hw
        elif self.fit == "contain":
            shown_width = width * self.pixel_aspect
            scale = min(most_high / height, most_wide / shown_width)
            high, wide = max(1, round(height * scale)), max(1, round(shown_width * scale))
        else:
            scale = min(most_high / height, most_wide / width)
            high, wide = (max(_MIN_SIDE, round(side * scale)) for side in picture_hw)
            return Placement((high, wide), 0, 0, high, wide, high >= height and wide >= width)
        grows = high > height or wide > width
        return Placement(
            self.size_hw,
            (most_high - high) // 2,
            (most_wide - wide) // 2,
            high,
            wide,
            grows and self.fit != "squash_0_1_0",
        )

    def place_picture(self, picture: Uint8Array) -> Uint8Array:
        """(H, W, 3) uint8 RGB to an input of the network, (h, w, 3) uint8, with PADDING around."""
        at = self.placement(picture.shape[:2])
        resized = _resize(picture, at)
        if at.fills:
            return resized
        canvas = np.empty((*at.canvas_hw, 3), np.uint8)
        canvas[:] = PADDING
        canvas[at.window] = resized
        return canvas

    def place_labels(self, labels: Uint8Array, padding: int = IGNORE) -> Uint8Array:
        """(H, W) uint8 labels by nearest neighbour to (h, w), with `padding` around them."""
        at = self.placement(labels.shape)
        rows, columns = (
            _nearest(source, target)
            for source, target in zip(labels.shape, (at.height, at.width), strict=True)
        )
        resized = labels[rows][:, columns]
        if at.fills:
            return resized
        canvas = np.full(at.canvas_hw, padding, np.uint8)
        canvas[at.window] = resized
        return canvas


def training_geometry(config: "TrainConfig", pixel_aspect: float = 1.0) -> Geometry:
    """How training and validation of `config` place frames with such pixels."""
    fit: Fit = "squash_0_1_0" if config.fit == "squash_in_training" else config.fit
    return Geometry(config.size, fit, pixel_aspect)


def prediction_geometry(
    config: "TrainConfig", pixel_aspect: float = 1.0, size_hw: tuple[int, int] | None = None
) -> Geometry:
    """How a network of `config` is shown a picture, by default at the size of its training.

    That of training, but for networks of version 0.1.0: they kept proportions in prediction.
    """
    fit: Fit = "keep_0_1_0" if config.fit == "squash_in_training" else config.fit
    return Geometry(size_hw or config.size, fit, pixel_aspect)


def placement_note(geometry: Geometry, picture_hw: tuple[int, int]) -> str:
    """A sentence where much of the size is padding, or proportions change; else ""."""
    at, (high, wide) = geometry.placement(picture_hw), geometry.size_hw
    aspect = picture_hw[1] / picture_hw[0] * geometry.pixel_aspect
    height = _whole_steps((high * wide / aspect) ** 0.5)
    better = f"{height}x{_whole_steps(height * aspect)}"
    if (share := at.height * at.width / (high * wide)) < _LEAST_SHARE:
        return (
            f"Frames fill {share:.0%} of the size {high}x{wide}, and the rest is padding: "
            f"{better} has their proportions"
        )
    change = (at.width / at.height) / aspect
    if not _LEAST_SHARE < change < 1 / _LEAST_SHARE and geometry.fit != "contain":
        return (
            f"The size {high}x{wide} changes the proportions of frames by a factor of "
            f"{max(change, 1 / change):.2f}: {better} would keep them"
        )
    return ""


def _whole_steps(side: float) -> int:
    return max(1, round(side / _STEP)) * _STEP


def _resize(picture: Uint8Array, at: Placement) -> Uint8Array:
    size = (at.width, at.height)
    if at.is_smooth:
        # OpenCV's area filter repeats pixels where a side grows, and for both sides if one does:
        # so what shrinks is shrunk first.
        high, wide = (min(pair) for pair in zip((at.height, at.width), picture.shape, strict=False))
        if (high, wide) != picture.shape[:2]:
            picture = as_uint8(cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA))
        return as_uint8(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
    return as_uint8(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _nearest(source: int, target: int) -> npt.NDArray[np.int64]:
    """(target,) int64: the source pixel under the centre of each target pixel, along one axis.

    Aligned with the picture, resized by area; INTER_NEAREST_EXACT of OpenCV is off by one at some
    sizes.
    """
    return (2 * np.arange(target) + 1) * source // (2 * target)
