"""The values of label maps that were stored in another form than one grey channel.

Programs that know only colour pictures write a grey map as three channels that are all equal, and
those that make files small as a palette of greys. Both show the very values of the map.
"""

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from cityseg.arrays import IntArray, Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.encodings import label_ids_of_palette
from cityseg.errors import MaskError


def read_palette(content: bytes, path: Path) -> tuple[Uint8Array, Uint8Array | None]:
    """The (H, W) uint8 indices of a whole palette PNG, and the label id of each, if proved.

    The label ids are `encodings.label_ids_of_palette`. Raises MaskError ("corrupt_file").
    """
    indices, palette, used = _open_palette(content, path)
    return indices, label_ids_of_palette(palette, used)


def read_equal_channels(
    content: bytes, header: png.Header, path: Path
) -> npt.NDArray[np.uint8 | np.uint16] | None:
    """(H, W) values of a whole PNG whose colours are all grey; None if it has others.

    Opacity that varies is a channel of another kind. Raises MaskError ("corrupt_file").
    """
    if header.color_type == png.PALETTE:
        indices, palette, used = _open_palette(content, path)
        known = used[used < len(palette)]
        levels = palette[known, 0]
        # With one grey for several indices, the palette was lost, and its indices mean something;
        # with one index, it shows nothing.
        is_grey = known.size == used.size == np.unique(levels).size > 1
        if not is_grey or np.ptp(palette[known], axis=1).any():
            return None
        lookup = np.zeros(256, np.uint8)
        lookup[known] = levels
        return as_uint8(cv2.LUT(indices, lookup))
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise MaskError("corrupt_file", f"{path} cannot be decoded: fetch it again")
    if header.color_type not in (png.RGB, png.RGBA):  # OpenCV makes colours of grey with opacity
        return None
    first = picture[..., 0]
    is_grey = all(np.array_equal(first, picture[..., channel]) for channel in (1, 2))
    is_grey &= picture.shape[2] == 3 or not np.ptp(picture[..., 3])
    return np.ascontiguousarray(first) if is_grey else None


def _open_palette(content: bytes, path: Path) -> tuple[Uint8Array, Uint8Array, IntArray]:
    """Indices, (N, 3) uint8 palette, and the indices that occur."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            palette = np.array(picture.getpalette() or [], np.uint8).reshape(-1, 3)
            indices = np.array(picture)
    except Exception as error:  # Pillow's decoders fail in more ways than documented
        raise MaskError("corrupt_file", f"{path} cannot be decoded: fetch it again") from error
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    return as_uint8(indices), palette, used
