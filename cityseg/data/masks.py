"""Annotations become train-id masks, and what cannot is skipped with a reason.

A mask is an 8-bit grey PNG with the annotation's height and width and the values 0–18 and 255.
Each carries the size and time of the annotation it was made from, so that a finished mask is
recognised without a database and made again only when its source changed. Beside the masks stand
report.json (`conversion_report`): what became of each frame of the last conversion, and pixels.npz
(`pixel_table`): the pixels of each label id in every frame that has a mask.
"""

import errno
import logging
import os
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.annotations import MAX_PIXELS, read_label_ids
from cityseg.data.dataset import SPLITS, Frame, find_frames
from cityseg.data.pixel_table import (
    PixelRow,
    PixelTable,
    known_rows,
    label_pixels,
    update_pixel_table,
)
from cityseg.data.report import FrameOutcome, Report
from cityseg.errors import DatasetError, MaskError
from cityseg.labels import NUM_CLASSES, NUM_LABEL_IDS, TRAIN_ID_OF_LABEL_ID
from cityseg.system import ProgressCallback, keep_freed_memory, map_in_threads, replacing

logger = logging.getLogger(__name__)

_SOURCE: Final = "cityseg-source"
_FORMAT: Final = 1


def train_ids(label_ids: Uint8Array) -> Uint8Array:
    """Map (H, W) uint8 label ids to train ids; every label outside the 19 becomes 255.

    Raises MaskError ("unknown_label") if a value is no Cityscapes label id.
    """
    if not label_ids.size:  # nothing is what OpenCV makes of no pixels
        return label_ids.copy()
    if (highest := int(label_ids.max())) >= NUM_LABEL_IDS:
        raise MaskError("unknown_label", f"found the value {highest}, but label ids end at 33")
    return as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID))


def convert(
    root: Path,
    masks: Path | None = None,
    *,
    splits: Sequence[str] = SPLITS,
    max_images: int | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Report:
    """Convert the annotations below `root` to masks below `masks` (default: `root`/masks).

    `max_images` takes the first frames in sorted order. `workers` threads (default: one for each
    core this process may use) share the work; decoding and encoding release the interpreter.
    `progress` is called with (done, total). Writes report.json beside the masks and returns it;
    pixels.npz keeps what was counted also of an interrupted conversion, and of other splits.
    A second run, also at the same time, does no harm: masks appear whole and are kept.

    Raises DatasetError if there is nothing to convert or masks cannot be written.
    """
    if max_images is not None and max_images < 1:
        raise DatasetError(f"max_images is {max_images}: choose 1 or more")
    masks = masks or root / "masks"
    found = find_frames(root, splits)
    frames = found[:max_images]
    if not frames:
        raise DatasetError(f"{root} has no frames in {', '.join(splits)}: choose other splits")
    try:
        for split, city in {(frame.split, frame.city) for frame in frames}:
            (masks / split / city).mkdir(parents=True, exist_ok=True)
        keep_freed_memory()
        counted: dict[str, PixelRow | None] = {}
        try:
            report = _convert_frames(frames, masks, counted, workers, progress)
        finally:  # also what an interrupted conversion counted
            existing = {frame.name for frame in found}
            update_pixel_table(
                masks, counted, lambda name: name in existing or name.split("/")[0] not in splits
            )
        report.write(masks)
    except OSError as error:
        raise DatasetError(
            f"masks cannot be written to {masks}: {error.strerror or error}; "
            f"{'free some space' if error.errno == errno.ENOSPC else 'check the folder'} "
            "and start again, finished masks are kept"
        ) from error
    return report


def _convert_frames(
    frames: Sequence[Frame],
    masks: Path,
    counted: dict[str, PixelRow | None],
    workers: int | None,
    progress: ProgressCallback | None,
) -> Report:
    """Convert all frames; `counted` grows by the row of each that is done, None where skipped."""
    report = Report([])
    convert_one = partial(_convert_frame, masks=masks, known=known_rows(masks))
    with closing(map_in_threads(convert_one, frames, workers)) as done:
        for outcome, row in done:
            if outcome.reason:
                logger.warning("skipped %s: %s", outcome.frame, outcome.detail)
            report.outcomes.append(outcome)
            counted[outcome.frame] = row
            if progress:
                progress(len(report.outcomes), len(frames))
    return report


def _convert_frame(
    frame: Frame, masks: Path, known: PixelTable
) -> tuple[FrameOutcome, PixelRow | None]:
    """What became of a frame, and the pixels of its annotation if it has a mask now."""
    target = frame.mask(masks)
    try:
        source = frame.label_ids or frame.polygons
        if frame.image is None:
            raise MaskError("missing_image", f"{source} has no image: fetch it")
        if source is None:
            raise MaskError("missing_annotation", f"{frame.image} has no annotation: fetch it")
        stamp = _stamp(source)
        image_size_hw = _image_size_hw(frame.image)
        reused = _finished_mask_size_hw(target, stamp) == image_size_hw
        row = known.get(frame.name)
        if reused and row and row.stamp == stamp:
            return FrameOutcome(frame.name, "converted", reused=True), row
        label_ids = read_label_ids(source)
        if label_ids.shape != image_size_hw:
            raise MaskError(
                "wrong_size",
                f"{source} is {label_ids.shape[1]}×{label_ids.shape[0]} pixels, "
                f"its image {image_size_hw[1]}×{image_size_hw[0]}",
            )
    except MaskError as error:
        _remove_outdated(target)
        return FrameOutcome(frame.name, "skipped", error.reason, error.detail), None
    if not reused:
        write_mask(target, as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID)), stamp)
    return FrameOutcome(frame.name, "converted", reused=reused), PixelRow(
        stamp, label_pixels(label_ids)
    )


def write_mask(path: Path, mask: Uint8Array, stamp: str) -> None:
    """Write (H, W) uint8 train ids as PNG and read it back before it takes its name.

    Raises OSError if what was read differs from what was written.
    """
    with replacing(path, durable=False) as file:
        file.write(encode_mask(mask, stamp))
        file.flush()
        written = png.decode_grey(Path(file.name).read_bytes())
        if written is None or not np.array_equal(written, mask):
            raise OSError(errno.EIO, f"{path} reads back differently than written")


def encode_mask(mask: Uint8Array, stamp: str) -> bytes:
    """(H, W) uint8 train ids as a PNG file's bytes, with `stamp` to recognise its source by."""
    return png.encode_grey(mask, _SOURCE, stamp)


def decode_mask(content: bytes, path: Path) -> Uint8Array:
    """The bytes of a mask, ours or another tool's, as (H, W) uint8, values 0–18 and 255.

    `path` is for messages. Raises MaskError if it is damaged or holds anything else.
    """
    no_mask = MaskError("corrupt_file", f"{path} is damaged or no mask: convert again")
    header = png.read_header(content)
    if header is None or header[2:] != (8, png.GREY) or png.find_damage(content):
        raise no_mask
    if header.width * header.height > MAX_PIXELS:
        raise no_mask
    mask = png.decode_grey(content)
    if mask is None:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise no_mask
        mask = as_uint8(decoded)
    if (mask + np.uint8(1)).max() > NUM_CLASSES:  # 255 becomes 0: far faster than counting
        raise MaskError("unknown_label", f"{path} has values other than 0–18 and 255")
    return mask


def _stamp(source: Path) -> str:
    """What a mask remembers of its source, to notice a change."""
    try:
        status = source.stat()
    except OSError as error:
        raise MaskError("unreadable_file", f"{source} cannot be read: {error.strerror}") from error
    return f"{_FORMAT} {source.suffix} {status.st_size} {status.st_mtime_ns}"


def _finished_mask_size_hw(path: Path, stamp: str) -> tuple[int, int] | None:
    """(height, width) of a finished mask of exactly this source, else None."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
            file.seek(-12, os.SEEK_END)
            end = file.read()
    except OSError:
        return None
    header = png.read_header(head)
    if header is None or png.leading_text(head, _SOURCE) != stamp or end[4:8] != b"IEND":
        return None
    return header.height, header.width


def _remove_outdated(path: Path) -> None:
    """Remove the mask of a source that has gone bad, if it is one of ours."""
    try:
        with path.open("rb") as file:
            ours = png.leading_text(file.read(256), _SOURCE) is not None
    except FileNotFoundError:
        return
    if ours:
        path.unlink(missing_ok=True)


def _image_size_hw(path: Path) -> tuple[int, int]:
    """(height, width) of a picture, from its header."""
    try:
        with path.open("rb") as file:
            header = png.read_header(file.read(64))
        if header:
            return header.height, header.width
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise MaskError("unreadable_image", f"{path} is no readable picture: {error}") from error
