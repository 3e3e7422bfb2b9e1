"""Builder fills the arrays of a frame store: it copies known rows and decodes the other frames."""

import hashlib
import logging
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array
from cityseg.data.images import decode_frame
from cityseg.data.masks import decode_mask
from cityseg.data.store.files import (
    DAMAGE,
    IMAGES,
    LOG,
    MASKS,
    StoreRow,
    checksum,
    log_line,
    logged_rows,
    open_or_create_arrays,
)
from cityseg.errors import ImageError, MaskError, Skipped, StoreError
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.system import ProgressCallback, Stamp, map_in_threads

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """The two files of a frame, and the (size, mtime_ns) of each."""

    frame: str
    image: Path
    mask: Path
    image_stamp: Stamp
    mask_stamp: Stamp

    @property
    def source(self) -> tuple[str, Stamp, Stamp]:
        """Equal to `StoreRow.source` of a row that was decoded from these files."""
        return self.frame, self.image_stamp, self.mask_stamp


class Builder:
    """Fills the arrays in a partial folder, row by row, in any order."""

    def __init__(self, folder: Path, pairs: list[Pair], size_hw: tuple[int, int]) -> None:
        """Open the arrays in `folder`, or create them with all the disk space they need."""
        self.folder, self.pairs, self.size_hw = folder, pairs, size_hw
        self.images, self.masks = open_or_create_arrays(folder, (len(pairs), *size_hw))
        self.known: dict[tuple[Any, ...], tuple[StoreRow, Uint8Array, Uint8Array]] = {}

    def know(self, row: StoreRow, image: Uint8Array, mask: Uint8Array) -> None:
        """Remember a finished row, by the stamps and by the digests of its files."""
        self.known[row.source] = (row, image, mask)
        self.known[row.image_digest, row.mask_digest] = (row, image, mask)

    def know_partial(self, folder: Path) -> None:
        """Remember the rows that a killed build of other frames has finished."""
        try:
            images, masks = (np.load(folder / name, mmap_mode="r") for name in (IMAGES, MASKS))
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
            and row.checksum == checksum(self.images[position], self.masks[position])
        }

    def _try_to_fill(self, position: int) -> tuple[int, StoreRow] | Skipped:
        try:
            return position, self._fill(position)
        except (ImageError, MaskError) as error:
            return Skipped.of(error)

    def _fill(self, position: int) -> StoreRow:
        """Write one frame into the arrays: a copy if its content is known, else decoded."""
        pair = self.pairs[position]
        known = self.known.get(pair.source)
        if known and self._copy(position, *known):
            digests = known[0].image_digest, known[0].mask_digest
        else:
            image, mask = _read(pair.image), _read(pair.mask)
            digests = digest(image), digest(mask)
            known = self.known.get(digests)
            if not (known and self._copy(position, *known)):
                self._decode(position, pair, image, mask)
        pixels = np.bincount(self.masks[position].ravel(), minlength=256)
        return StoreRow(
            *pair.source,
            *digests,
            checksum(self.images[position], self.masks[position]),
            (*pixels[:NUM_CLASSES].tolist(), int(pixels[IGNORE])),
        )

    def _copy(self, position: int, row: StoreRow, image: Uint8Array, mask: Uint8Array) -> bool:
        """Copy a row from another store; False if its pixels differ from its checksum."""
        self.images[position], self.masks[position] = image, mask
        return checksum(self.images[position], self.masks[position]) == row.checksum

    def _decode(self, position: int, pair: Pair, image: bytes, mask: bytes) -> None:
        height, width = self.size_hw
        pixels, train_ids = decode_frame(image, pair.image), decode_mask(mask, pair.mask)
        if pixels.shape[:2] != train_ids.shape:
            raise ImageError(f"{pair.image} and its mask differ in size: convert again")
        self.images[position] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        y, x = _nearest(train_ids.shape[0], height), _nearest(train_ids.shape[1], width)
        self.masks[position] = train_ids[y][:, x]


def _nearest(source: int, target: int) -> npt.NDArray[np.int64]:
    """(target,) int64: the source pixel under the centre of each target pixel, along one axis.

    Aligned with the image, resized by area; INTER_NEAREST_EXACT of OpenCV is off by one at some
    sizes.
    """
    return (2 * np.arange(target) + 1) * source // (2 * target)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): fetch it again") from error


def digest(content: bytes) -> str:
    """The BLAKE2 digest of `content`, 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
