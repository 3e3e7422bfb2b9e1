"""Recover label ids from a colour map that was shrunk and stored as JPEG.

Shrinking blends the colours of neighbouring labels, and JPEG blurs the chroma of 2×2 pixels. The
blend of two labels often has the colour of a third one (car and black give truck), so the nearest
colour is wrong at edges. Here a label is a candidate only near a solid patch of its colour, and a
pixel is compared with the candidates' colours and with all blends of two of them.
"""

from itertools import combinations
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, IntArray, Uint8Array, as_uint8
from cityseg.labels import LABEL_ID_PALETTE, MAP_LABELS, Label

Float32Array = npt.NDArray[np.float32]

#: One label for each colour: unlabeled stands for all black ones, pole for polegroup.
_LABELS: Final = tuple({label.color: label for label in reversed(MAP_LABELS)}.values())
_IDS: Final = np.array([label.id for label in _LABELS], np.uint8)
#: RGB to luma and chroma (JPEG), the chroma scaled down: half of it was thrown away.
_CHROMA_WEIGHT: Final = 0.4
_SPACE: Final = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
).T * np.array([1, _CHROMA_WEIGHT, _CHROMA_WEIGHT], np.float32)
_COLORS: Final = LABEL_ID_PALETTE[_IDS].astype(np.float32) @ _SPACE

# Distances are in levels of luma. Chosen by scripts/pairs_quality.py.
#: A pixel farther from every colour belongs to no patch.
_PATCH_DISTANCE: Final = 28.0
#: What a blend of two labels must be better by, squared, than one label alone.
_BLEND_COST: Final = 60.0
#: Labels reach this many pixels beyond their patches.
_REACH: Final = 3
#: Pixels of a rare label's patches in the whole picture, at least.
_RARE_PIXELS: Final = 4
#: A label with at most this many pixels in 3×3, itself included, gives way to the most frequent.
_LONELY: Final = 2
#: A pixel is unsure if less of it belongs to its label, or if no blend comes closer than this.
_SURE_SHARE: Final = 0.75
_SURE_DISTANCE: Final = 15.0
#: Colour maps have at least this share of their pixels so close to a label's colour; of 80
#: photographs none had more than 0.45, of 30 colour maps none less than 0.85.
_MAP_DISTANCE: Final = 8.0
_MAP_SHARE: Final = 0.65

_THIN: Final = {
    "pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle"
}  # fmt: skip
_BIG: Final = {"truck", "bus", "caravan", "trailer", "train"}


class RecoveredLabels(NamedTuple):
    """(H, W) uint8 label ids, the best for each pixel, and (H, W) bool: where they are unsure."""

    label_ids: Uint8Array
    unsure: BoolArray


class _Fit(NamedTuple):
    """For each pixel: squared distance, index in `_LABELS`, and that label's share of it."""

    cost: Float32Array
    label: IntArray
    share: Float32Array


def is_color_map(colors: Uint8Array) -> bool:
    """Whether (H, W, 3) uint8 RGB holds mostly colours of labels."""
    some = _pixels(colors[::4, ::4])
    return bool((_distances(some).min(1) < _MAP_DISTANCE**2).mean() > _MAP_SHARE)


def nearest_labels(colors: Uint8Array) -> Uint8Array:
    """The label ids of the nearest colours, pixel by pixel: what `recover_labels` improves on."""
    nearest = _distances(_pixels(colors)).argmin(1)
    return as_uint8(_IDS[nearest].reshape(colors.shape[:2]))


def recover_labels(colors: Uint8Array) -> RecoveredLabels:
    """Recover the labels of (H, W, 3) uint8 RGB.

    Labels of one colour cannot be told apart: all black ones become unlabeled, polegroup becomes
    pole, and license plates become car.
    """
    size_hw = colors.shape[:2]
    pixels = _pixels(colors)
    distances = _distances(pixels)
    nearest = distances.argmin(1)
    close = distances.min(1) < _PATCH_DISTANCE**2
    near = _near_patches(nearest.reshape(size_hw), close.reshape(size_hw))
    fit = _Fit(np.full(len(pixels), np.inf, np.float32), nearest, np.ones(len(pixels), np.float32))
    _fit_labels(fit, distances, near)
    _fit_blends(fit, pixels, near)
    unsure = (fit.share < _SURE_SHARE) | (fit.cost > _SURE_DISTANCE**2)
    labels = _without_lonely(fit.label.reshape(size_hw).astype(np.uint8))
    return RecoveredLabels(_IDS[labels], unsure.reshape(size_hw))


def _pixels(colors: Uint8Array) -> Float32Array:
    """(H·W, 3) float32 in `_SPACE`."""
    pixels: Float32Array = colors.reshape(-1, 3).astype(np.float32) @ _SPACE
    return pixels


def _distances(pixels: Float32Array) -> Float32Array:
    """(N, labels) float32: squared distances to the colours of `_LABELS`."""
    squares: Float32Array = (
        (pixels**2).sum(1)[:, None] - 2 * pixels @ _COLORS.T + (_COLORS**2).sum(1)
    )
    return squares.clip(min=0)


def _near_patches(nearest: IntArray, close: BoolArray) -> dict[int, BoolArray]:
    """Index of each label with patches -> (H·W,) bool: where it is a candidate."""
    near = {}
    reach = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    for index in np.unique(nearest[close]).tolist():
        own = ((nearest == index) & close).astype(np.uint8)
        patches = own * (_count_3x3(own) >= _pixels_of_patch(_LABELS[index]))
        if np.count_nonzero(patches) >= (_RARE_PIXELS if _is_rare(_LABELS[index]) else 1):
            near[index] = cv2.dilate(patches, reach).ravel() > 0
    return near


def _is_rare(label: Label) -> bool:
    return label.name in _BIG or (label.ignore_in_eval and label.color != (0, 0, 0))


def _pixels_of_patch(label: Label) -> int:
    """How many of 3×3 pixels must have the label's colour to make a patch."""
    # Blends of car with black and blue imitate the big vehicles, and greys the rare void labels.
    if label.name in _BIG:
        return 9
    if _is_rare(label):
        return 7
    return 3 if label.name in _THIN else 4


def _count_3x3(own: Uint8Array) -> Uint8Array:
    border = cv2.BORDER_REPLICATE
    return as_uint8(cv2.boxFilter(own, cv2.CV_8U, (3, 3), normalize=False, borderType=border))


def _fit_labels(fit: _Fit, distances: Float32Array, near: dict[int, BoolArray]) -> None:
    """Give each pixel its nearest candidate; without candidates it keeps the nearest colour."""
    for index, reached in near.items():
        at = np.flatnonzero(reached)
        cost = distances[at, index]
        better = cost < fit.cost[at]
        at = at[better]
        fit.cost[at] = cost[better]
        fit.label[at] = index


def _fit_blends(fit: _Fit, pixels: Float32Array, near: dict[int, BoolArray]) -> None:
    """Give each pixel that is a blend of two candidates the one with the larger share."""
    undecided = fit.cost > _BLEND_COST
    for first, second in combinations(near, 2):
        at = np.flatnonzero(near[first] & near[second] & undecided)
        line = _COLORS[second] - _COLORS[first]
        offset = pixels[at] - _COLORS[first]
        share = np.clip(offset @ line / (line @ line), 0, 1)
        cost = ((offset - share[:, None] * line) ** 2).sum(1) + _BLEND_COST
        better = cost < fit.cost[at]
        at, share = at[better], share[better]
        fit.cost[at] = cost[better]
        fit.label[at] = np.where(share > 0.5, second, first)
        fit.share[at] = np.maximum(share, 1 - share)


def _without_lonely(labels: Uint8Array) -> Uint8Array:
    """Replace labels that have too few neighbours of their own by the most frequent in 3×3."""
    most = np.zeros_like(labels)
    majority, lonely = labels.copy(), np.zeros(labels.shape, bool)
    for index in np.unique(labels):
        own = labels == index
        counts = _count_3x3(own.astype(np.uint8))
        lonely |= own & (counts <= _LONELY)
        more = counts > most
        majority[more], most[more] = index, counts[more]
    return np.where(lonely, majority, labels)
