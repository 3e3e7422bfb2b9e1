"""The file of one mask: an 8-bit grey PNG of train ids that carries the stamp of its annotation."""

import errno
import os
from pathlib import Path
from typing import Final

import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.annotations import MAX_PIXELS, check_png, decode_as_stored
from cityseg.errors import MaskError
from cityseg.labels import NUM_CLASSES
from cityseg.system import replacing

_SOURCE: Final = "cityseg-source"


def write_mask(path: Path, mask: Uint8Array, stamp: str) -> None:
    """Write (H, W) uint8 train ids as PNG, and read it back before it takes its name.

    Raises OSError if the file differs from what was written.
    """
    with replacing(path, durable=False) as file:
        file.write(encode_mask(mask, stamp))
        file.flush()
        written = png.decode_grey(Path(file.name).read_bytes())
        if written is None or not np.array_equal(written, mask):
            raise OSError(errno.EIO, f"{path} reads back differently than written")


def encode_mask(mask: Uint8Array, stamp: str) -> bytes:
    """Encode (H, W) uint8 train ids as a PNG file that carries its annotation's `stamp`."""
    return png.encode_grey(mask, _SOURCE, stamp)


def decode_mask(content: bytes, path: Path) -> Uint8Array:
    """Decode a mask, ours or another tool's, to (H, W) uint8, values 0–18 and 255.

    `path` is for messages. Raises MaskError if it is damaged or holds anything else.
    """
    header = check_png(content, path, "convert again")
    # A palette PNG is refused: Pillow reads its indices and OpenCV its colours.
    if header[2:] != (8, png.GREY) or not 0 < header.width * header.height <= MAX_PIXELS:
        raise _no_mask(path)
    mask = png.decode_grey(content)  # ours; another tool's may need OpenCV
    if mask is None:
        decoded = decode_as_stored(content, header, np.uint8)
        if decoded is None:
            raise _no_mask(path)
        mask = as_uint8(decoded)
    # 0 is road and a class like the others, so only 255 may be treated apart: + 1 makes it 0, and
    # one maximum checks all values, far faster than counting them.
    if (mask + np.uint8(1)).max() > NUM_CLASSES:
        raise MaskError(
            "unknown_label", f"{path} has values other than 0–18 and 255: convert again"
        )
    return mask


def _no_mask(path: Path) -> MaskError:
    return MaskError("corrupt_file", f"{path} is damaged or no mask: convert again")


def finished_mask_size_hw(path: Path, stamp: str) -> tuple[int, int] | None:
    """(height, width) of a finished mask with exactly this stamp, else None."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
            # A whole file has its end chunk: without it, decoders would return the rows they got.
            file.seek(-12, os.SEEK_END)
            end = file.read()
    except OSError:
        return None
    header = png.read_header(head)
    if header is None or png.leading_text(head, _SOURCE) != stamp or end[4:8] != b"IEND":
        return None
    return header.height, header.width


def remove_outdated(path: Path) -> None:
    """Remove the mask of an annotation that can no longer be read, if cityseg wrote it."""
    try:
        with path.open("rb") as file:
            ours = png.leading_text(file.read(256), _SOURCE) is not None
    except FileNotFoundError:
        return
    if ours:
        path.unlink(missing_ok=True)
