"""Where a JPEG ends, and damage that this does not show: it was cut, and closed again."""

import io
import re
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from cityseg.arrays import Uint8Array

_START: Final = b"\xff\xd8"
_END: Final = b"\xff\xd9"
#: A marker that more than itself belongs to: no filler, restart, or byte of coded pixels.
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
#: Marks a picture that is not stored from the top to the bottom, but coarse first, then fine.
_PROGRESSIVE: Final = b"\xff\xc2"
#: Fewer rows of one colour may be part of the picture, and are not looked into.
_FEWEST_ROWS: Final = 32
#: Of one colour, so many bytes hold less than these rows of any picture.
_DROPPED_BYTES: Final = 8


def find_end(content: bytes) -> int | None:
    """The number of bytes of a JPEG's picture; None if it lacks its end.

    Cameras and other programs add bytes behind it: previews, short videos, notes.
    """
    place = len(_START)
    while found := _MARKER.search(content, place):
        if found.group() == _END:
            return found.end()
        # A segment with its length in front; a preview in it has an end marker of its own.
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2])
    return None


def is_cut_and_closed(content: bytes, pixels: Uint8Array) -> bool:
    """Whether a JPEG lost its lower part, although its file ends as it should.

    `pixels` are its (H, W, 3) uint8. Decoders fill what is missing with one colour. So does a black
    bar, but its bytes can be dropped without harm to what is above it; those of a cut picture hold
    the last of its pixels.
    """
    end = find_end(content) if content.startswith(_START) else None
    if end is None or _PROGRESSIVE in content:
        return False
    varied = np.flatnonzero((pixels != pixels[-1, -1]).any(axis=(1, 2)))
    above = int(varied[-1]) + 1 if varied.size else 0
    if not above or len(pixels) - above < _FEWEST_ROWS:
        return False
    shorter = content[: end - len(_END) - _DROPPED_BYTES] + _END
    return not np.array_equal(_decoded(shorter)[:above], _decoded(content)[:above])


def _decoded(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:  # silent, unlike OpenCV
        return np.asarray(image)
