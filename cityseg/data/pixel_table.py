"""The pixels of each label id in the annotation of every converted frame.

`convert` counts them while it has the annotation decoded, and stores them beside the masks:

    MASKS/pixels.npz
        names    (N,) str      <split>/<city>/<stem>, sorted
        stamps   (N,) str      the annotation's stamp, as in the frame's mask
        pixels   (N, 34) uint32, column = label id

A row is valid only for the annotation with its stamp, as the mask itself is.
"""

import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from cityseg.arrays import BoolArray, IntArray, Uint8Array, runs
from cityseg.errors import DatasetError
from cityseg.labels import NUM_LABEL_IDS
from cityseg.system import Lock, check_regular, replacing

PIXELS: Final = "pixels.npz"
#: A thousand times what all of Cityscapes needs.
_MAX_BYTES: Final = 1 << 31
#: What reading a damaged or foreign file raises, beyond OSError.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    KeyError,
    ValueError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
)


class PixelRow(NamedTuple):
    """The stamp of a frame's annotation, and its (34,) pixels by label id."""

    stamp: str
    pixels: IntArray


#: Frame name -> row.
PixelTable = Mapping[str, PixelRow]


def label_pixels(label_ids: Uint8Array) -> IntArray:
    """Count the pixels of each label id in (H, W) uint8 label ids, 0–33: (34,) int64."""
    (labels,), pixels = runs(label_ids)
    return np.bincount(labels, pixels, minlength=NUM_LABEL_IDS).astype(np.int64)


def read_pixel_table(masks: Path) -> PixelTable:
    """Read the rows stored in `masks`; empty before the first conversion.

    Raises DatasetError if the file is damaged or cannot be read.
    """
    names, stamps, pixels = _read_stored(masks)
    rows = zip(stamps, pixels.astype(np.int64), strict=True)
    return {name: PixelRow(*row) for name, row in zip(names, rows, strict=True)}


def read_pixels(masks: Path, names: Sequence[str]) -> tuple[IntArray, BoolArray]:
    """The (N, 34) int64 pixels of the frames with these names, and (N,) whether they have a row.

    Without one they are 0. Raises DatasetError as `read_pixel_table`, of which this is the part
    that takes no object for each frame.
    """
    stored, _, pixels = _read_stored(masks)
    place_of = dict(zip(stored, range(len(stored)), strict=True))
    places = np.array([place_of.get(name, -1) for name in names], np.int64)
    has_row = places >= 0
    found = np.zeros((len(names), NUM_LABEL_IDS), np.int64)
    found[has_row] = pixels[places[has_row]]
    return found, has_row


def _read_stored(masks: Path) -> tuple[list[str], list[str], IntArray]:
    """Names, stamps and pixels of the stored rows; raises DatasetError."""
    path = masks / PIXELS
    try:
        return _read_arrays(path)
    except FileNotFoundError:
        return [], [], np.empty((0, NUM_LABEL_IDS), np.int64)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}): check its permissions"
        ) from error
    except _DAMAGE as error:
        raise DatasetError(f"{path} is damaged: remove it and convert again") from error


def _read_arrays(path: Path) -> tuple[list[str], list[str], IntArray]:
    check_regular(path)
    with zipfile.ZipFile(path) as archive:  # before NumPy reserves memory for what it declares
        if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
            raise ValueError("it is too large")
    with np.load(path, allow_pickle=False) as arrays:
        names, stamps, pixels = (arrays[key] for key in ("names", "stamps", "pixels"))
    if pixels.dtype != np.uint32 or pixels.shape != (names.size, NUM_LABEL_IDS):
        raise ValueError("pixels is not (N, 34) uint32")
    if any(texts.dtype.kind != "U" or texts.shape != pixels.shape[:1] for texts in (names, stamps)):
        raise ValueError("names or stamps is not (N,) str")
    return names.tolist(), stamps.tolist(), pixels


def update_pixel_table(
    masks: Path, rows: Mapping[str, PixelRow | None], keeps: Callable[[str], bool]
) -> None:
    """Update the table stored in `masks` with `rows`; None removes a row.

    Old rows stay if `keeps` returns true for their name. The file is written whole or not at all,
    by one conversion at a time. A damaged table is replaced: the next conversion counts the lost
    rows again. Does nothing without rows. Raises OSError.
    """
    if not rows:
        return
    # Without locks two conversions may overwrite each other's rows, which are then counted again.
    with Lock.take_folder(masks, math.inf):
        before = {name: row for name, row in known_rows(masks).items() if keeps(name)}
        table = sorted((name, row) for name, row in {**before, **rows}.items() if row)
        with replacing(masks / PIXELS) as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                names=np.array([name for name, _ in table], np.str_),
                stamps=np.array([row.stamp for _, row in table], np.str_),
                pixels=np.array([row.pixels for _, row in table], np.uint32).reshape(
                    -1, NUM_LABEL_IDS
                ),
            )


def known_rows(masks: Path) -> PixelTable:
    """Read the rows stored in `masks` for a conversion; empty if they cannot be read."""
    try:
        return read_pixel_table(masks)
    except DatasetError:
        return {}
