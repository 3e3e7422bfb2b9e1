"""Rebuilding the damaged rows of a finished store, which other trainings may have mapped.

A row is written where it is: every byte becomes what the index says it was. So whoever reads the
row meanwhile, or after a kill in between, finds nothing worse than before, and all trainings that
share the arrays see the rebuilt row. STORE/rebuilt.jsonl names each such frame, so that these
trainings can say that their earlier steps may have seen other pixels.
"""

import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data.store.builder import class_pixels, decode_pair, digest, read_source
from cityseg.data.store.files import (
    DAMAGE,
    IMAGES,
    INDEX,
    MASKS,
    Store,
    build_lock,
    checksum,
    read_index,
    write_index,
)
from cityseg.errors import ImageError, MaskError, ReviewError, StoreError
from cityseg.system import FileModel, JsonError, Lock, parse_as

REBUILT: Final = "rebuilt.jsonl"

#: Frames that an error names.
_NAMED: Final = 5

logger = logging.getLogger(__name__)


class _Rebuilt(FileModel):
    """A line of rebuilt.jsonl."""

    frame: str


def is_damaged(store: Store, position: int) -> bool:
    """Whether a row's pixels differ from those that were decoded, or its counts cannot be true."""
    image, mask, row = store.images[position], store.masks[position], store.rows[position]
    return sum(row.class_pixels) != mask.size or checksum(image, mask) != row.checksum


def rebuilt_frames(folder: Path) -> list[str]:
    """The frames of the store `folder` that were ever rebuilt, in that order."""
    try:
        lines = (folder / REBUILT).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(JsonError):
            found.append(parse_as(line, _Rebuilt).frame)
    return found


def rebuild_rows(
    store: Store, positions: Sequence[int], on_wait: Callable[[], None] = lambda: None
) -> list[int]:
    """Decode damaged rows again, and return those that this process has rebuilt.

    Rows that another process has rebuilt meanwhile are left as they are. `on_wait` is called while
    another process builds or rebuilds; what it raises ends the wait.

    Raises StoreError, after all that can be rebuilt was, if one cannot: training on it is no use.
    """
    rebuilt, problems = [], {}
    try:
        with Lock.take(build_lock(store.folder.parent), math.inf, on_wait):
            _read_rows_again(store)
            before = list(store.rows)
            for position in positions:
                try:
                    if is_damaged(store, position):
                        _rebuild(store, position)
                        rebuilt.append(position)
                except (ImageError, MaskError, ReviewError) as error:
                    problems[store.rows[position].frame] = str(error)
            if store.rows != before:
                write_index(store.folder, store.rows)
    except OSError as error:
        raise StoreError(
            f"Rows of the frame store {store.folder} are damaged and cannot be written "
            f"({error.strerror or error}): make it writable, or choose another folder for the store"
        ) from error
    if rebuilt:
        logger.warning(
            "%d of %d rows of the frame store %s differed from their frames and were rebuilt: %s",
            *(len(rebuilt), len(store), store.folder),
            _listed([store.rows[position].frame for position in rebuilt]),
        )
    if problems:
        first = next(iter(problems.values()))
        raise StoreError(
            f"{len(problems)} of {len(store)} rows of the frame store {store.folder} are damaged "
            f"and cannot be rebuilt: {_listed(list(problems))}. The first: {first}. Bring back "
            "these files as they were, or change or remove the frames, and start again"
        )
    return rebuilt


def settle(folder: Path) -> None:
    """Note that all rows of a store were checked after the last write to its arrays."""
    with suppress(OSError):  # of somebody else: its next opening checks all rows once more
        os.utime(folder / INDEX)


def was_written_to(folder: Path) -> bool:
    """Whether the arrays of a store were written to after it was built or all of it was checked."""
    index, *arrays = ((folder / name).stat().st_mtime_ns for name in (INDEX, IMAGES, MASKS))
    return max(arrays) > index


def _read_rows_again(store: Store) -> None:
    """Take over what another process may have changed in the index."""
    try:
        rows = read_index(store.folder)
    except DAMAGE as error:
        raise _replaced(store) from error
    if [row.source for row in rows] != [row.source for row in store.rows]:
        raise _replaced(store)
    store.rows[:] = rows


def _replaced(store: Store) -> StoreError:
    return StoreError(
        f"Rows of the frame store {store.folder} are damaged, and its files were removed or "
        "replaced meanwhile: start again, which opens or builds the present store"
    )


def _rebuild(store: Store, position: int) -> None:
    """Decode one row and write it; raises ImageError, MaskError, StoreError or OSError."""
    pair, row = store.pairs[position], store.rows[position]
    image, mask = read_source(pair.image), read_source(pair.mask)
    for path, content, known in (
        (pair.image, image, row.image_digest),
        (pair.mask, mask, row.mask_digest),
    ):
        if digest(content) != known:  # though its size and its time are the same
            raise ImageError(f"{path} has other content than when it was decoded")
    decoded = decode_pair(pair, image, mask, store.geometry)
    pixels, train_ids = map(np.ascontiguousarray, (decoded.image, decoded.mask))
    with (store.folder / REBUILT).open("ab", buffering=0) as log:
        # Before the pixels: a kill in between must not hide from others that they changed.
        log.write(json.dumps({"frame": row.frame}).encode() + b"\n")
    _write_row(store.folder / IMAGES, len(store), position, pixels)
    _write_row(store.folder / MASKS, len(store), position, train_ids)
    # The checksum changes only if it was damaged itself, or another decoder was installed.
    store.rows[position] = changed = replace(
        row, checksum=checksum(pixels, train_ids), class_pixels=class_pixels(train_ids)
    )
    if is_damaged(store, position):  # the files of that name are no longer those that are mapped
        store.rows[position] = row
        raise _replaced(store)
    if changed != row:
        logger.warning(
            "The index of %s was wrong for %s, or decoders changed", store.folder, row.frame
        )


def _write_row(path: Path, count: int, position: int, values: Uint8Array) -> None:
    """Write one of `count` rows; not through a map, where a full disk would kill the process."""
    with path.open("r+b") as file:
        start = file.seek(0, os.SEEK_END) - count * values.nbytes
        file.seek(start + position * values.nbytes)
        file.write(values.data)
        file.flush()
        os.fsync(file.fileno())


def _listed(frames: Sequence[str]) -> str:
    more = f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else ""
    return ", ".join(frames[:_NAMED]) + more
