"""The files of a frame store: for each frame an index entry, and a row in each of two arrays."""

import errno
import json
import math
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Len
from pydantic import Field, Strict

from cityseg.arrays import Uint8Array
from cityseg.data.areas import IgnoredAreas
from cityseg.geometry import Geometry, Placement
from cityseg.labels import NUM_CLASSES
from cityseg.system import (
    LARGE,
    Count,
    FileModel,
    JsonError,
    Stamp,
    check_regular,
    parse_as,
    read_json_as,
    read_regular_file,
    write_json,
)
from cityseg.wording import readable_size

Array = np.memmap[Any, np.dtype[np.uint8]]

#: To be increased whenever the same files would give other pixels.
FORMAT: Final = 1
INDEX: Final = "index.json"
IMAGES: Final = "images.npy"
MASKS: Final = "masks.npy"
LOG: Final = "rows.jsonl"
#: What identifies a row: frame, stamps of image and mask, key of the ignored areas.
Source = tuple[str, Stamp, Stamp, str | None]
#: Errors that reading a damaged index, log or array may raise.
DAMAGE: Final = (OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, JsonError)


@dataclass(frozen=True, slots=True)
class StoreRow:
    """One frame of a store.

    A file counts as unchanged if its stamp (size, mtime_ns) is. Of files with another stamp, the
    digest shows whether their content is the same. `class_pixels` has 20 counts: train ids 0–18
    and, last, ignored pixels. `picture_hw` is the (height, width) of the picture, None in rows of
    version 0.1.0; `placement` is that of `row_placement`. `ignored` is the key of the areas of the
    mask that are 255 in the row, None if there are none.
    """

    frame: str
    image_stamp: Stamp
    mask_stamp: Stamp
    image_digest: str
    mask_digest: str
    checksum: int
    class_pixels: tuple[int, ...]
    picture_hw: tuple[int, int] | None = None
    placement: tuple[int, ...] | None = None
    ignored: str | None = None

    @property
    def source(self) -> Source:
        """What identifies the row without reading a file: frame, stamps and ignored areas."""
        return self.frame, self.image_stamp, self.mask_stamp, self.ignored


@dataclass(frozen=True, slots=True)
class Pair:
    """The two files of a frame, the (size, mtime_ns) of each, and what of the mask is ignored."""

    frame: str
    image: Path
    mask: Path
    image_stamp: Stamp
    mask_stamp: Stamp
    ignored: IgnoredAreas | None = None

    @property
    def source(self) -> Source:
        """Equal to `StoreRow.source` of a row that was decoded from these files."""
        key = self.ignored.key if self.ignored else None
        return self.frame, self.image_stamp, self.mask_stamp, key


@dataclass(frozen=True, slots=True)
class Store:
    """The frames of one split at one size; the arrays are memory maps, for reading only."""

    folder: Path
    rows: list[StoreRow] = field(repr=False)
    images: Uint8Array = field(repr=False)
    masks: Uint8Array = field(repr=False)
    pairs: list[Pair] = field(repr=False)  # what the rows were decoded from
    geometry: Geometry

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of every frame."""
        return self.masks.shape[1], self.masks.shape[2]

    @property
    def class_pixels(self) -> npt.NDArray[np.int64]:
        """(20,) int64: pixels of train ids 0–18 and, last, ignored ones, over all frames."""
        totals = np.array([row.class_pixels for row in self.rows], np.int64).sum(axis=0)
        return np.asarray(totals, np.int64)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.rows)


_Numbers = Annotated[tuple[int, ...], Strict(False)]  # JSON has lists
_Side = Annotated[int, Field(ge=1, lt=1 << 31)]
_Pair = Annotated[tuple[int, int], Strict(False)]
_Pixels = Annotated[int, Field(ge=0, lt=1 << 32)]  # of a frame


class _Row(FileModel):
    """A StoreRow in a file."""

    frame: str
    image_stamp: _Pair
    mask_stamp: _Pair
    image_digest: str
    mask_digest: str
    checksum: int
    class_pixels: Annotated[
        tuple[_Pixels, ...], Strict(False), Len(NUM_CLASSES + 1, NUM_CLASSES + 1)
    ]
    picture_hw: Annotated[tuple[_Side, _Side], Strict(False)] | None = None
    placement: _Numbers | None = None
    ignored: str | None = None


class _Index(FileModel):
    format: int
    rows: list[_Row]


class _Logged(FileModel):
    position: Count
    row: _Row


def row_placement(placement: Placement) -> tuple[int, ...] | None:
    """What a row keeps of where its frame lies: top, left, height, width and 1 if it is smooth.

    None if it fills the row and was resized by area, as all rows of version 0.1.0 were.
    """
    if placement.fills and not placement.is_smooth:
        return None
    return tuple(int(value) for value in placement[1:])


def checksum(image: Uint8Array, mask: Uint8Array) -> int:
    """The checksum of a row's pixels."""
    return zlib.crc32(mask.data, zlib.crc32(image.data))


def build_lock(stores: Path) -> Path:
    """The file in the folder `stores` that is locked while a store is built."""
    return stores / "build.lock"


def write_index(folder: Path, rows: list[StoreRow]) -> None:
    """Write index.json: with it, the arrays in `folder` are a finished store."""
    write_json(folder / INDEX, {"format": FORMAT, "rows": [asdict(row) for row in rows]})


def read_index(folder: Path) -> list[StoreRow]:
    """The rows of index.json; raises one of DAMAGE."""
    index = read_json_as(folder / INDEX, _Index, LARGE)
    if index.format != FORMAT:
        raise ValueError(f"its format is {index.format}, not {FORMAT}")
    return [_row(each) for each in index.rows]


def log_line(position: int, row: StoreRow) -> bytes:
    """The line of rows.jsonl for a row whose pixels are in the arrays."""
    return json.dumps({"position": position, "row": asdict(row)}).encode() + b"\n"


def logged_rows(folder: Path) -> Iterator[tuple[int, StoreRow]]:
    """(position, row) of each frame that a build has finished; incomplete lines are ignored."""
    log = folder / LOG
    for line in read_regular_file(log, LARGE).splitlines() if log.exists() else ():
        with suppress(JsonError):
            logged = parse_as(line, _Logged)
            yield logged.position, _row(logged.row)


def _row(held: _Row) -> StoreRow:
    return StoreRow(**dict(held))


def open_array(path: Path, mode: Literal["r", "r+"]) -> Array:
    """Map an .npy file into memory; raises ValueError if it is damaged, or OSError."""
    check_regular(path)
    try:
        return np.lib.format.open_memmap(path, mode)
    except OSError:
        raise
    except Exception as error:  # the header is read as Python, which fails in many ways
        raise ValueError(f"{path.name} has no valid header") from error


def open_arrays(
    folder: Path, shape: tuple[int, int, int], mode: Literal["r", "r+"]
) -> tuple[Array, Array]:
    """The (N, H, W, 3) images and (N, H, W) masks in `folder`; raises one of DAMAGE."""
    images, masks = open_array(folder / IMAGES, mode), open_array(folder / MASKS, mode)
    if images.shape != (*shape, 3) or masks.shape != shape:
        raise ValueError("the arrays do not fit the index")
    if images.dtype != np.uint8 or masks.dtype != np.uint8:
        raise ValueError("the arrays are not uint8")
    return images, masks


def open_or_create_arrays(folder: Path, shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """The writable images and masks in `folder`, as a killed build left them, or new.

    Their disk space is allocated at once. Without that, writing to the mapped memory on a full disk
    kills the process by SIGBUS, which no `except` sees. Raises OSError if there is too little
    space; nothing is left behind then.
    """
    try:
        return open_arrays(folder, shape, "r+")
    except DAMAGE:
        shutil.rmtree(folder, ignore_errors=True)
    need, free = 4 * math.prod(shape), shutil.disk_usage(folder.parent).free
    if need > free:
        raise OSError(
            errno.ENOSPC, f"{readable_size(need)} are needed and {readable_size(free)} are free"
        )
    folder.mkdir()
    try:
        _create_array(folder / IMAGES, (*shape, 3))
        _create_array(folder / MASKS, shape)
    except BaseException:
        shutil.rmtree(folder)  # it may be what has filled the disk
        raise
    return open_arrays(folder, shape, "r+")


def _create_array(path: Path, shape: tuple[int, ...]) -> None:
    """Create an array of zeros, under its name only once all its disk space is allocated."""
    unfinished = path.with_suffix(".part")
    np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
    with unfinished.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, unfinished.stat().st_size)
    unfinished.replace(path)
