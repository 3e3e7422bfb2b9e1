"""Frames decoded and resized once into memory-mapped uint8 arrays, shared by all runs.

A store holds the frames of one split at one size, in sorted order:

    images.npy    (N, H, W, 3) uint8 RGB, resized by area
    masks.npy     (N, H, W) uint8 train ids, resized by nearest neighbour
    index.json    for each frame its name, the size, time and digest of its two files, the
                  checksum of its row, and its pixels of each class

Its folder is named by the digests of all its files and the size: changed content never ends up
in a store that is in use. When a file changed, the rows of all other frames are copied from the
store that has them; a file that was only touched or moved is recognised by its digest.
"""

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.dataset import Frame
from cityseg.errors import ImageError, MaskError, StoreError
from cityseg.files import sync_folder, write_json
from cityseg.images import decode_frame
from cityseg.labels import IGNORE, NUM_CLASSES, Uint8Array
from cityseg.masks import decode_mask

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

_FORMAT: Final = 1
_INDEX: Final = "index.json"
_ROWS: Final = "rows.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """One frame of a store.

    A file is taken as unchanged when its (size, mtime_ns) are; its content is its digest.
    `class_pixels` has 20 counts: train ids 0–18 and, last, ignored pixels.
    """

    frame: str
    image_stamp: tuple[int, int]
    mask_stamp: tuple[int, int]
    image_digest: str
    mask_digest: str
    checksum: int
    class_pixels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """The frames of one split at one size; the arrays are memory maps, for reading only."""

    folder: Path
    rows: list[Row] = field(repr=False)
    images: Uint8Array = field(repr=False)
    masks: Uint8Array = field(repr=False)

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


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two files of a frame, and what they look like from outside."""

    frame: str
    image: Path
    mask: Path
    stamps: tuple[tuple[int, int], tuple[int, int]]


def open_store(
    frames: Sequence[Frame],
    masks: Path,
    stores: Path,
    size_hw: tuple[int, int],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Store:
    """The store of `frames` at `size_hw` below the folder `stores`, built if there is none.

    `masks` is the folder of converted masks; frames without image or mask are left out. Building
    is parallel, calls `progress` with (done, total), takes up where a killed build ended, and
    happens once when several processes ask at the same time.

    Raises StoreError if no frame has both files, one cannot be read, or the disk is too small.
    """
    pairs = _find_pairs(frames, masks)
    if not pairs:
        raise StoreError(
            f"none of {len(frames)} frames has a mask below {masks}: "
            "convert them first (python -m cityseg convert)"
        )
    try:
        stores.mkdir(parents=True, exist_ok=True)
        if store := _find_store(stores, pairs, size_hw):
            return store
        with _lock(stores):
            return _find_store(stores, pairs, size_hw) or _build(
                stores, pairs, size_hw, workers, progress
            )
    except OSError as error:
        raise StoreError(
            f"the frame store {stores} cannot be written: {error.strerror or error}; "
            "free some space or choose another folder, finished frames are kept"
        ) from error


def _find_pairs(frames: Sequence[Frame], masks: Path) -> list[_Pair]:
    pairs = []
    for frame in frames:
        mask = frame.mask(masks)
        try:
            if frame.image:
                stamps = (_stamp(frame.image), _stamp(mask))
                pairs.append(_Pair(frame.name, frame.image, mask, stamps))
        except OSError:
            continue
    return pairs


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@contextmanager
def _lock(stores: Path) -> Iterator[None]:
    """One builder at a time; others wait and then find what it built."""
    with (stores / "build.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _find_store(stores: Path, pairs: list[_Pair], size_hw: tuple[int, int]) -> Store | None:
    wanted = [(pair.frame, *pair.stamps) for pair in pairs]
    for store in _stores(stores, size_hw):
        if [(row.frame, row.image_stamp, row.mask_stamp) for row in store.rows] == wanted:
            return store
    return None


def _stores(stores: Path, size_hw: tuple[int, int]) -> Iterator[Store]:
    """The finished stores of one size, opened."""
    for folder in sorted(stores.glob(f"[!.]*-{size_hw[0]}x{size_hw[1]}-*")):
        try:
            rows = [_row(values) for values in json.loads((folder / _INDEX).read_bytes())["rows"]]
            images = np.load(folder / "images.npy", mmap_mode="r")
            masks = np.load(folder / "masks.npy", mmap_mode="r")
            if images.shape != (len(rows), *size_hw, 3) or masks.shape != (len(rows), *size_hw):
                raise ValueError("the arrays do not fit the index")
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("the frame store %s is passed over: %s", folder, error)
            continue
        yield Store(folder, rows, images, masks)


def _row(values: dict[str, Any]) -> Row:
    """A Row from its JSON, in which tuples have become lists."""
    typed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Row(**typed)


# --- building --------------------------------------------------------------------------------


def _build(
    stores: Path,
    pairs: list[_Pair],
    size_hw: tuple[int, int],
    workers: int | None,
    progress: Progress | None,
) -> Store:
    height, width = size_hw
    plan = _digest(json.dumps([[p.frame, p.stamps] for p in pairs]).encode())
    partial = stores / f".partial-{height}x{width}-{plan[:16]}"
    for other in stores.glob(".partial-*"):
        if other != partial:
            shutil.rmtree(other)
    partial.mkdir(exist_ok=True)
    builder = _Builder(partial, pairs, size_hw)
    for store in _stores(stores, size_hw):
        for row, image, mask in zip(store.rows, store.images, store.masks, strict=True):
            builder.know(row, image, mask)
    rows = builder.build(workers or len(os.sched_getaffinity(0)), progress)
    write_json(partial / _INDEX, {"format": _FORMAT, "rows": [asdict(row) for row in rows]})
    content = _digest("".join(row.image_digest + row.mask_digest for row in rows).encode())
    final = stores / f"{pairs[0].frame.split('/')[0]}-{height}x{width}-{content[:16]}"
    if final.exists():  # the same content under new times: only the index is news
        (partial / _INDEX).replace(final / _INDEX)
        shutil.rmtree(partial)
    else:
        partial.rename(final)
        sync_folder(stores)
    if built := _find_store(stores, pairs, size_hw):
        return built
    raise StoreError(f"{final} cannot be read back: check the disk and start again")


class _Builder:
    """Fills a store's arrays in a folder of its own, row by row, in any order."""

    def __init__(self, folder: Path, pairs: list[_Pair], size_hw: tuple[int, int]) -> None:
        """Open the arrays in `folder`, or set them up with all the space they need."""
        self.folder, self.pairs, self.size_hw = folder, pairs, size_hw
        shape = (len(pairs), *size_hw)
        self.images = _open_array(folder / "images.npy", (*shape, 3))
        self.masks = _open_array(folder / "masks.npy", shape)
        self.known: dict[tuple[Any, ...], tuple[Row, Uint8Array, Uint8Array]] = {}

    def know(self, row: Row, image: Uint8Array, mask: Uint8Array) -> None:
        """Remember a finished row, by the stamps and by the digests of its files."""
        self.known[row.frame, row.image_stamp, row.mask_stamp] = (row, image, mask)
        self.known[row.image_digest, row.mask_digest] = (row, image, mask)

    def build(self, workers: int, progress: Progress | None) -> list[Row]:
        """Fill what is missing; raises StoreError at the end if frames could not be read."""
        finished = self._finished_rows()
        problems: list[str] = []
        threads_before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        pool = ThreadPoolExecutor(workers, "cityseg-store")
        try:
            with (self.folder / _ROWS).open("ab", buffering=0) as log:
                todo = [i for i in range(len(self.pairs)) if i not in finished]
                for done, outcome in enumerate(pool.map(self._fill_or_explain, todo), 1):
                    if isinstance(outcome, str):
                        problems.append(outcome)
                    else:
                        position, row = outcome
                        finished[position] = row
                        record = {"position": position, "row": asdict(row)}
                        log.write(json.dumps(record).encode() + b"\n")
                    if progress:
                        progress(len(self.pairs) - len(todo) + done, len(self.pairs))
        finally:
            pool.shutdown(cancel_futures=True)
            cv2.setNumThreads(threads_before)
        if problems:
            raise StoreError(
                f"{len(problems)} of {len(self.pairs)} frames cannot be read, first: {problems[0]} "
                "(or remove the frame); all other frames are kept"
            )
        self.images.flush()
        self.masks.flush()
        return [finished[position] for position in range(len(self.pairs))]

    def _finished_rows(self) -> dict[int, Row]:
        """What a killed build left, as far as its rows still have their checksums."""
        finished: dict[int, Row] = {}
        rows = self.folder / _ROWS
        for line in rows.read_bytes().split(b"\n")[:-1] if rows.exists() else ():
            record = json.loads(line)
            position, row = record["position"], _row(record["row"])
            if _checksum(self.images[position], self.masks[position]) == row.checksum:
                finished[position] = row
        if rows.exists() and not rows.read_bytes().endswith(b"\n"):
            rows.write_bytes(b"".join(rows.read_bytes().rpartition(b"\n")[:2]))  # a torn line
        return finished

    def _fill_or_explain(self, position: int) -> tuple[int, Row] | str:
        try:
            return position, self._fill(position)
        except (ImageError, MaskError) as error:
            return str(error)

    def _fill(self, position: int) -> Row:
        """Put one frame into the arrays: copied if its content is known, else decoded."""
        pair = self.pairs[position]
        known = self.known.get((pair.frame, *pair.stamps))
        if known and self._copy(position, known):
            digests = known[0].image_digest, known[0].mask_digest
        else:
            image, mask = pair.image.read_bytes(), pair.mask.read_bytes()
            digests = _digest(image), _digest(mask)
            known = self.known.get(digests)
            if not (known and self._copy(position, known)):
                self._decode(position, pair, image, mask)
        checksum = _checksum(self.images[position], self.masks[position])
        pixels = np.bincount(self.masks[position].ravel(), minlength=256)
        class_pixels = (*pixels[:NUM_CLASSES].tolist(), int(pixels[IGNORE]))
        return Row(pair.frame, *pair.stamps, *digests, checksum, class_pixels)

    def _copy(self, position: int, known: tuple[Row, Uint8Array, Uint8Array]) -> bool:
        """Copy a row from another store; False if it is not what its checksum says."""
        row, image, mask = known
        self.images[position], self.masks[position] = image, mask
        return _checksum(self.images[position], self.masks[position]) == row.checksum

    def _decode(self, position: int, pair: _Pair, image: bytes, mask: bytes) -> None:
        height, width = self.size_hw
        pixels, train_ids = decode_frame(image, pair.image), decode_mask(mask, pair.mask)
        if pixels.shape[:2] != train_ids.shape:
            raise ImageError(f"{pair.image} and its mask differ in size: convert again")
        self.images[position] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        # The exact nearest neighbour keeps to pixel centres, in step with the image.
        self.masks[position] = cv2.resize(
            train_ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )


def _open_array(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A writable .npy array that has its disk space: without it, a full disk ends in SIGBUS."""
    if path.exists():
        return np.lib.format.open_memmap(path, mode="r+")
    need, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
    if need > free:
        raise OSError(
            errno.ENOSPC, f"{need / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free"
        )
    unfinished = path.with_suffix(".part")
    array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
    with unfinished.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, unfinished.stat().st_size)
    unfinished.replace(path)
    return array


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _checksum(image: Uint8Array, mask: Uint8Array) -> int:
    return zlib.crc32(mask.data, zlib.crc32(image.data))
