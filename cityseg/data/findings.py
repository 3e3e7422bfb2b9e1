"""What is odd about annotations that were accepted: warnings, each with a code."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from cityseg.arrays import IntArray, Uint8Array
from cityseg.data.encodings import seen_in
from cityseg.labels import LABEL_IDS_OF_CLASSES, LABEL_OF_NAME

#: Warning code -> what it means; a frame with a mask may have some.
WARNINGS: Final = {
    "no_class": "No pixel of the annotation belongs to a class, so nothing is learned from it",
    "odd_places": "Classes lie at impossible places, such as road above sky: check the encoding",
    "void_share": "The share of ignored pixels is far from that of the other frames",
}

_ROAD, _SKY = LABEL_OF_NAME["road"].id, LABEL_OF_NAME["sky"].id
#: Shares and rows, 0 top, 1 bottom; no genuine map was beyond these limits.
_NOTABLE: Final = 0.02
_TOO_HIGH: Final = 0.3
_TOO_LOW: Final = 0.7
#: A share is far from the median if it differs by more than this and by six deviations.
_FAR: Final = 0.3
_DEVIATIONS: Final = 6 * 1.4826
_FEW_FRAMES: Final = 10


def has_odd_places(label_ids: Uint8Array) -> bool:
    """Whether road lies high or sky low in (H, W) uint8 label ids, or road above sky."""
    seen = seen_in(label_ids)
    road, sky = seen.mean_rows[[_ROAD, _SKY]]
    has_road, has_sky = (seen.pixels[[_ROAD, _SKY]] > _NOTABLE).tolist()
    return bool(
        (has_road and road < _TOO_HIGH)
        or (has_sky and sky > _TOO_LOW)
        or (has_road and has_sky and road < sky)
    )


def has_no_class(pixels: IntArray) -> bool:
    """Whether none of the (34,) pixels by label id belongs to a class."""
    return not pixels[LABEL_IDS_OF_CLASSES].any()


def odd_void_shares(pixels_of_frames: Mapping[str, IntArray]) -> set[str]:
    """The frames whose share of ignored pixels is far from the median of all these frames.

    Each frame has its (34,) pixels by label id. Fewer than ten frames say nothing.
    """
    if len(pixels_of_frames) < _FEW_FRAMES:
        return set()
    pixels = np.array(list(pixels_of_frames.values()), np.int64)
    shares = 1 - pixels[:, LABEL_IDS_OF_CLASSES].sum(axis=1) / pixels.sum(axis=1)
    away = np.abs(shares - np.median(shares))
    far = away > max(_FAR, _DEVIATIONS * float(np.median(away)))
    return {name for name, is_far in zip(pixels_of_frames, far.tolist(), strict=True) if is_far}
