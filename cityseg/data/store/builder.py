"""Builder fills the arrays of a frame store: it copies known rows and decodes the other frames."""

import hashlib
import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data import png
from cityseg.data.images import decode_frame
from cityseg.data.mask_files import decode_mask
from cityseg.data.store.files import (
    DAMAGE,
    IMAGES,
    LOG,
    MASKS,
    Pair,
    StoreRow,
    checksum,
    log_line,
    logged_rows,
    open_array,
    open_or_create_arrays,
    row_placement,
)
from cityseg.errors import ImageError, MaskError, ReviewError, Skipped, StoreError
from cityseg.geometry import Geometry
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.system import ProgressCallback, map_in_threads

logger = logging.getLogger(__name__)


class Builder:
    """Fills the arrays in a partial folder, row by row, in any order."""

    def __init__(self, folder: Path, pairs: list[Pair], geometry: Geometry) -> None:
        """Open the arrays in `folder`, or create them with all the disk space they need."""
        self.folder, self.pairs, self.geometry = folder, pairs, geometry
        self.images, self.masks = open_or_create_arrays(folder, (len(pairs), *geometry.size_hw))
        self.known: dict[tuple[Any, ...], tuple[StoreRow, Uint8Array, Uint8Array]] = {}
        self.pair_of = {pair.source: pair for pair in pairs}

    def know(self, row: StoreRow, image: Uint8Array, mask: Uint8Array) -> None:
        """Remember a finished row, by the stamps and by the digests of its files.

        Rows whose frame is placed in another way are ignored.
        """
        pair = self.pair_of.get(row.source)
        if not is_placed(row, self.geometry, pair):
            return
        if row.picture_hw is None:
            row = replace(row, picture_hw=_picture_hw(row, pair))
        self.known[row.source] = (row, image, mask)
        self.known[row.image_digest, row.mask_digest, row.ignored] = (row, image, mask)

    def know_partial(self, folder: Path) -> None:
        """Remember the rows that a killed build of other frames has finished."""
        try:
            images, masks = (open_array(folder / name, "r") for name in (IMAGES, MASKS))
            for position, row in logged_rows(folder):
                self.know(row, images[position], masks[position])
        except DAMAGE as error:
            logger.warning("The unfinished frame store %s is not used (%s)", folder, error)

    def build(self, workers: int | None, progress: ProgressCallback | None) -> list[StoreRow]:
        """Fill the missing rows; raises StoreError at the end if frames could not be read."""
        finished = self._finished_rows()
        problems: list[Skipped] = []
        todo = [i for i in range(len(self.pairs)) if i not in finished]
        with (
            (self.folder / LOG).open("ab", buffering=0) as log,
            closing(map_in_threads(self._try_to_fill, todo, workers)) as outcomes,
        ):
            log.write(b"\n")  # ends a line that a killed build may have left incomplete
            for done, outcome in enumerate(outcomes, 1):
                if isinstance(outcome, Skipped):
                    problems.append(outcome)
                else:
                    position, row = outcome
                    finished[position] = row
                    # Only now: a line says that the row's pixels are in the arrays.
                    log.write(log_line(position, row))
                if progress:
                    progress(len(self.pairs) - len(todo) + done, len(self.pairs))
        if problems:
            raise StoreError(
                f"{len(problems)} of {len(self.pairs)} frames cannot be read. The first: "
                f"{problems[0].detail}, or remove the frame. All other frames are kept"
            )
        self.images.flush()
        self.masks.flush()
        return [finished[position] for position in range(len(self.pairs))]

    def _finished_rows(self) -> dict[int, StoreRow]:
        """Rows that a killed build finished, if their files and their pixels are unchanged.

        Pixels may differ from the log after a power cut, which loses pages of the arrays.
        """
        return {
            position: row
            for position, row in logged_rows(self.folder)
            if row.source == self.pairs[position].source
            and is_placed(row, self.geometry, self.pairs[position])
            and row.checksum == checksum(self.images[position], self.masks[position])
        }

    def _try_to_fill(self, position: int) -> tuple[int, StoreRow] | Skipped:
        try:
            return position, self._fill(position)
        except (ImageError, MaskError, ReviewError) as error:
            return Skipped.of(error)

    def _fill(self, position: int) -> StoreRow:
        """Write one frame into the arrays: a copy if its content is known, else decoded."""
        pair = self.pairs[position]
        known = self.known.get(pair.source)
        if known and self._copy(position, *known):
            row = known[0]
        else:
            image, mask = read_source(pair.image), read_source(pair.mask)
            digests = digest(image), digest(mask)
            known = self.known.get((*digests, pair.source[-1]))
            if known and self._copy(position, *known):
                row = known[0]
            else:
                picture_hw = self._decode(position, pair, image, mask)
                return self._row(position, digests, picture_hw)
        return self._row(position, (row.image_digest, row.mask_digest), row.picture_hw)

    def _row(
        self, position: int, digests: tuple[str, str], picture_hw: tuple[int, int] | None
    ) -> StoreRow:
        frame, image_stamp, mask_stamp, ignored = self.pairs[position].source
        return StoreRow(
            frame,
            image_stamp,
            mask_stamp,
            *digests,
            checksum(self.images[position], self.masks[position]),
            class_pixels(self.masks[position]),
            picture_hw,
            picture_hw and row_placement(self.geometry.placement(picture_hw)),
            ignored,
        )

    def _copy(self, position: int, row: StoreRow, image: Uint8Array, mask: Uint8Array) -> bool:
        """Copy a row from another store; False if its pixels differ from its checksum."""
        self.images[position], self.masks[position] = image, mask
        return checksum(self.images[position], self.masks[position]) == row.checksum

    def _decode(self, position: int, pair: Pair, image: bytes, mask: bytes) -> tuple[int, int]:
        """Write a frame into the arrays; returns the (height, width) of its picture."""
        decoded = decode_pair(pair, image, mask, self.geometry)
        self.images[position], self.masks[position] = decoded.image, decoded.mask
        return decoded.picture_hw


class DecodedPair(NamedTuple):
    """The pixels of a row, (H, W, 3) and (H, W) uint8, and the (height, width) of its picture."""

    image: Uint8Array
    mask: Uint8Array
    picture_hw: tuple[int, int]


def decode_pair(pair: Pair, image: bytes, mask: bytes, geometry: Geometry) -> DecodedPair:
    """The row of a frame, from the content of its two files.

    Areas of the mask are ignored at its own size, before it is placed. Raises ImageError, MaskError
    or ReviewError.
    """
    pixels, train_ids = decode_frame(image, pair.image), decode_mask(mask, pair.mask)
    if pixels.shape[:2] != train_ids.shape:
        raise ImageError(f"{pair.image} and its mask differ in size: convert again")
    if pair.ignored:
        train_ids = pair.ignored.applied(train_ids, pair.mask)
    height, width = train_ids.shape
    return DecodedPair(
        geometry.place_picture(pixels), geometry.place_labels(train_ids), (height, width)
    )


def class_pixels(mask: Uint8Array) -> tuple[int, ...]:
    """The pixels of train ids 0–18 and, last, the ignored ones in a row's mask."""
    pixels = np.bincount(mask.ravel(), minlength=256)
    return (*pixels[:NUM_CLASSES].tolist(), int(pixels[IGNORE]))


def is_placed(row: StoreRow, geometry: Geometry, pair: Pair | None) -> bool:
    """Whether `row`, which was decoded from the files of `pair`, has its frame where it belongs.

    Rows of version 0.1.0 do not hold the size of their picture. It is that of the mask.
    """
    if row.picture_hw is None and geometry.fit == "squash_0_1_0":
        return row.placement is None  # whatever the size of the picture
    picture_hw = _picture_hw(row, pair)
    return picture_hw is not None and row_placement(geometry.placement(picture_hw)) == row.placement


def _picture_hw(row: StoreRow, pair: Pair | None) -> tuple[int, int] | None:
    if row.picture_hw or pair is None:
        return row.picture_hw
    try:
        with pair.mask.open("rb") as file:
            header = png.read_header(file.read(64))
    except OSError:
        return None
    return (header.height, header.width) if header else None


def read_source(path: Path) -> bytes:
    """The content of a file of a frame; raises ImageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): fetch it again") from error


def digest(content: bytes) -> str:
    """The BLAKE2 digest of `content`, 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
