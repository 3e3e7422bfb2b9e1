"""Frames decoded and resized once into memory-mapped uint8 arrays, shared by all runs.

A store has the frames of one split in one geometry, in sorted order:

    images.npy    (N, H, W, 3) uint8 RGB, placed by a Geometry
    masks.npy     (N, H, W) uint8 train ids, placed alike, by nearest neighbour
    index.json    for each frame its name, the size, time and digest of its two files, the
                  checksum of its row, its pixels of each class, and where it lies

The folder is named by split, size and a digest of all files, so changed content is never written
into a store that is in use. When a file has changed, the rows of all other frames are copied from
the store that has them; a file that was only touched or moved is recognised by its digest. Where
areas of masks are ignored, the store is another one. A build that was killed leaves a hidden
folder, `.partial-…`, from which the next build continues.

Opening a finished store checks some of its rows, and rebuilds rows that were damaged.
"""

import json
import logging
import math
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from cityseg.data.areas import IgnoredAreas
from cityseg.data.frame import Frame
from cityseg.data.store.builder import Builder, digest, is_placed
from cityseg.data.store.checking import check_opened
from cityseg.data.store.files import (
    DAMAGE,
    FORMAT,
    Pair,
    Store,
    StoreRow,
    build_lock,
    open_arrays,
    read_index,
    write_index,
)
from cityseg.errors import StoreError
from cityseg.geometry import Geometry
from cityseg.system import Lock, ProgressCallback, file_stamp, sync_folder

#: The largest share of a GPU's free memory that a store may occupy; the rest is for the network.
RESIDENT_SHARE: Final = 0.4

logger = logging.getLogger(__name__)

_NOTHING: Final[Mapping[str, IgnoredAreas]] = MappingProxyType({})


class StorePlan(NamedTuple):
    """What `open_store` would open: number of frames, bytes of its arrays, whether it is built."""

    frames: int
    size_bytes: int
    is_built: bool


def plan_store(
    frames: Sequence[Frame],
    masks: Path,
    stores: Path,
    geometry: Geometry,
    ignored: Mapping[str, IgnoredAreas] = _NOTHING,
) -> StorePlan:
    """What `open_store` would open for the same arguments; builds nothing."""
    pairs = _find_pairs(frames, masks, ignored)
    is_built = bool(pairs) and _find_store(stores, pairs, geometry) is not None
    return StorePlan(len(pairs), 4 * len(pairs) * math.prod(geometry.size_hw), is_built)


def count_pairs(frames: Sequence[Frame], masks: Path) -> int:
    """The number of `frames` that a store has: those with an image, and a mask below `masks`."""
    return len(_find_pairs(frames, masks))


def find_store(
    frames: Sequence[Frame],
    masks: Path,
    stores: Path,
    geometry: Geometry,
    ignored: Mapping[str, IgnoredAreas] = _NOTHING,
) -> Path | None:
    """The folder of the store that `open_store` would open; None if it would build one."""
    pairs = _find_pairs(frames, masks, ignored)
    store = _find_store(stores, pairs, geometry) if pairs else None
    return store.folder if store else None


def open_store(
    frames: Sequence[Frame],
    masks: Path,
    stores: Path,
    geometry: Geometry,
    ignored: Mapping[str, IgnoredAreas] = _NOTHING,
    *,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Store:
    """The store of `frames`, placed by `geometry`, in the folder `stores`, built if it is missing.

    `masks` is the folder of converted masks; frames without image or mask are left out. `ignored`
    has areas of masks that are 255 in the store, by the names of frames. Building is parallel,
    calls `progress` with (done, total), and continues where a killed build ended. If several
    processes need the same store, one builds it; the others wait, and call `progress` with
    (0, total) meanwhile. Of a finished store, rows are checked as by `check_opened`.

    Raises StoreError if no frame has both files, one cannot be read, the disk is too small, or a
    row is damaged and cannot be rebuilt.
    """
    pairs = _find_pairs(frames, masks, ignored)
    if not pairs:
        raise StoreError(
            f"None of {len(frames)} frames has a mask below {masks}: "
            "convert them first (python -m cityseg convert)"
        )

    def on_wait() -> None:
        if progress:
            progress(0, len(pairs))

    try:
        stores.mkdir(parents=True, exist_ok=True)
        if store := _find_store(stores, pairs, geometry):
            check_opened(store, progress)
            return store
        with Lock.take(build_lock(stores), math.inf, on_wait) as lock:
            if not lock.is_effective:
                logger.warning("There are no locks in %s: start one build at a time", stores)
            return _find_store(stores, pairs, geometry) or _build(
                stores, pairs, geometry, workers, progress
            )
    except OSError as error:
        raise StoreError(
            f"The frame store {stores} cannot be written ({error.strerror or error}): free some "
            "space (python -m cityseg clean) or choose another folder; finished frames are kept"
        ) from error


def _find_pairs(
    frames: Sequence[Frame], masks: Path, ignored: Mapping[str, IgnoredAreas] = _NOTHING
) -> list[Pair]:
    pairs = []
    for frame in frames:
        mask = frame.mask(masks)
        try:
            if frame.image:
                stamps = file_stamp(frame.image), file_stamp(mask)
                areas = ignored.get(frame.name)
                pairs.append(Pair(frame.name, frame.image, mask, *stamps, areas))
        except OSError:  # no mask, or an image that was removed since the frames were listed
            continue
    return pairs


def _find_store(stores: Path, pairs: list[Pair], geometry: Geometry) -> Store | None:
    wanted = [pair.source for pair in pairs]
    for store in _stores(stores, geometry.size_hw):
        if [row.source for row in store.rows] == wanted and all(
            is_placed(row, geometry, pair) for row, pair in zip(store.rows, pairs, strict=True)
        ):
            return replace(store, pairs=pairs, geometry=geometry)
    return None


def _stores(stores: Path, size_hw: tuple[int, int]) -> Iterator[Store]:
    """The finished stores of one size, opened."""
    for folder in sorted(stores.glob(f"[!.]*-{size_hw[0]}x{size_hw[1]}-*")):
        try:
            rows = read_index(folder)
            images, masks = open_arrays(folder, (len(rows), *size_hw), "r")
        except DAMAGE as error:
            logger.warning("The frame store %s is not used (%s)", folder, error)
            continue
        yield Store(folder, rows, images, masks, [], Geometry(size_hw))


# --- building --------------------------------------------------------------------------------


def _build(
    stores: Path,
    pairs: list[Pair],
    geometry: Geometry,
    workers: int | None,
    progress: ProgressCallback | None,
) -> Store:
    height, width = geometry.size_hw
    kind = f"{pairs[0].frame.split('/')[0]}-{height}x{width}"
    names = digest(json.dumps([pair.frame for pair in pairs]).encode())
    partial = stores / f".partial-{FORMAT}-{kind}-{names[:16]}"
    builder = Builder(partial, pairs, geometry)
    for store in _stores(stores, geometry.size_hw):
        for row, image, mask in zip(store.rows, store.images, store.masks, strict=True):
            builder.know(row, image, mask)
    for other in _partials(stores, kind):  # builds that were killed, of other frames
        if other != partial:
            builder.know_partial(other)
    rows = builder.build(workers, progress)
    write_index(partial, rows)
    content = digest("".join(map(_content_of, rows)).encode())
    final = stores / f"{kind}-{content[:16]}"
    if final.exists():  # the same content with other times, or damaged; maybe in use, so renamed
        final.rename(partial.with_suffix(f".{secrets.token_hex(4)}"))
    partial.rename(final)
    sync_folder(stores)
    for superseded in _partials(stores, kind):  # what they had is in the new store
        shutil.rmtree(superseded, ignore_errors=True)
    if built := _find_store(stores, pairs, geometry):
        return built
    raise StoreError(f"{final} cannot be read back: check the disk and start again")


def _content_of(row: StoreRow) -> str:
    """What names a store: where all frames fill their rows, the name is that of version 0.1.0."""
    placement = "" if row.placement is None else f"{row.placement}"
    return f"{row.image_digest}{row.mask_digest}{placement}{row.ignored or ''}"


def _partials(stores: Path, kind: str) -> list[Path]:
    """The folders of killed builds of one split and size."""
    return list(stores.glob(f".partial-{FORMAT}-{kind}-*"))
