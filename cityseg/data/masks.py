"""Convert annotations to train-id masks; what cannot be converted is skipped with a reason.

A mask is an 8-bit grey PNG with the annotation's height and width and the values 0–18 and 255.
Each carries the size and time of its annotation, so a finished mask is recognised without a
database and written again only when its annotation has changed. Two files lie beside the masks:
report.json (`report`), the outcome of each frame in the last conversion, and pixels.npz
(`pixel_table`), the pixels of each label id in every frame that has a mask.
"""

import errno
import logging
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import cv2
from PIL import Image

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.annotations import (
    label_ids_of_map,
    read_label_ids,
)
from cityseg.data.dataset import (
    find_frames,
    folder_warnings,
    layout_found,
    missing_splits_message,
)
from cityseg.data.encodings import Encoding
from cityseg.data.examination import examine
from cityseg.data.findings import WARNED_BEFORE, complete_warnings, warnings_of
from cityseg.data.frame import Frame
from cityseg.data.images import (
    IMAGE_SIGNATURES,
    decode_frame,
    ends_whole,
    is_whole,
    why_unreadable,
)
from cityseg.data.jpeg import is_cut_and_closed
from cityseg.data.label_map import (
    LabelMap,
    UnknownNamesError,
    labels_of_names,
    names_of_labels,
    unknown_names_message,
)
from cityseg.data.layouts import SPLITS
from cityseg.data.looks import Decoded, Kept
from cityseg.data.mask_files import finished_mask_size_hw, remove_outdated, write_mask
from cityseg.data.pixel_aspect import PixelAspect, prove_pixel_aspect
from cityseg.data.pixel_table import (
    PIXELS,
    PixelRow,
    PixelTable,
    known_rows,
    label_pixels,
    update_pixel_table,
)
from cityseg.data.report import REPORT, FrameOutcome, Report
from cityseg.data.verdict import Verdict
from cityseg.errors import DatasetError, ImageError, MaskError, Skipped
from cityseg.labels import NUM_LABEL_IDS, TRAIN_ID_OF_LABEL_ID
from cityseg.system import (
    ProgressCallback,
    check_output_file,
    check_output_folder,
    file_stamp,
    keep_freed_memory,
    map_in_threads,
    read_regular_file,
)

logger = logging.getLogger(__name__)

_FORMAT: Final = 1
#: Until 1, polygons were drawn by the rule of today's Pillow, not that of the official maps.
_POLYGONS_FORMAT: Final = 2


#: Frames skipped for one reason that are named one by one.
_LISTED: Final = 50


class _Converted(NamedTuple):
    row: PixelRow
    reused: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _UnknownNames(Skipped):
    """A frame whose polygons have names without a label, each with the number of its objects."""

    names: Mapping[str, int]


def train_ids(label_ids: Uint8Array) -> Uint8Array:
    """Map (H, W) uint8 label ids to train ids; every label outside the 19 becomes 255.

    Raises MaskError ("unknown_label") if a value is no Cityscapes label id.
    """
    if not label_ids.size:  # OpenCV returns None for no pixels
        return label_ids.copy()
    if (highest := int(label_ids.max())) >= NUM_LABEL_IDS:
        raise MaskError("unknown_label", f"Found the value {highest}, but label ids end at 33")
    return as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID))


# --- a whole dataset -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is converted, and how: the same for a whole conversion and for each of its shards.

    `found` are all frames of the `splits`, of which `frames` are converted to masks below `masks`.
    `before` is the report of the conversion before, `kept` what was decoded for the verdict.
    """

    root: Path
    masks: Path
    splits: Sequence[str]
    found: Sequence[Frame]
    frames: Sequence[Frame]
    verdict: Verdict
    label_map: LabelMap
    layout: tuple[str, bool]
    verify: bool
    named_aspect: float | None
    before: Report | None
    kept: Kept

    def empty_report(self) -> Report:
        """A report without outcomes, which keeps how the dataset is read."""
        return Report(
            [],
            encoding=self.verdict.checked(),
            evidence=self.verdict.evidence,
            sample=self.verdict.sample,
            label_map=names_of_labels(self.label_map),
            dataset=os.path.relpath(self.root, self.masks),
            layout=self.layout[0],
            layout_chosen=self.layout[1],
            pixel_aspect=_pixel_aspect(self.root, self.found, self.named_aspect, self.before),
        )

    def keeps_row(self) -> Callable[[str], bool]:
        """Whether the counts of a frame with that name stay, though it was not converted now."""
        existing = {frame.name for frame in self.found}
        return lambda name: name in existing or name.split("/")[0] not in self.splits


def plan_conversion(
    root: Path,
    masks: Path | None = None,
    *,
    splits: Sequence[str] = SPLITS,
    max_images: int | None = None,
    workers: int | None = None,
    label_map: LabelMap | None = None,
    verdict: Verdict | None = None,
    layout: str | None = None,
    verify: bool = False,
    pixel_aspect: float | None = None,
    warns: bool = True,
) -> Conversion:
    """What `convert` does with these arguments; `warns` logs what is odd about the folders.

    Raises CitysegError if there is nothing to convert, or the encoding is unclear.
    """
    if max_images is not None and max_images < 1:
        raise DatasetError(f"max_images is {max_images}: choose 1 or more")
    masks = masks or root / "masks"
    found = find_frames(root, splits, layout, masks)
    frames = found[:max_images]
    if not frames:
        raise DatasetError(
            f"{root} has no frames in {', '.join(splits)}: choose other splits"
            f"{missing_splits_message(root, splits, layout, masks)}"
        )
    for warning in folder_warnings(root, found, layout, masks) if warns else ():
        logger.warning("%s", warning)
    before, kept = _report_before(masks), Kept()
    verdict = verdict or examine(found, before, kept, workers)
    verdict.checked()
    if label_map is None:
        label_map = labels_of_names(before.label_map if before else {}, masks)
    read_as = layout_found(root, layout, masks)
    return Conversion(
        *(root, masks, splits, found, frames, verdict, label_map, read_as, verify),
        *(pixel_aspect, before, kept),
    )


def convert(
    root: Path,
    masks: Path | None = None,
    *,
    splits: Sequence[str] = SPLITS,
    max_images: int | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
    label_map: LabelMap | None = None,
    verdict: Verdict | None = None,
    layout: str | None = None,
    verify: bool = False,
    announce: Callable[[Verdict], None] | None = None,
    pixel_aspect: float | None = None,
) -> Report:
    """Convert the annotations below `root` to masks below `masks` (default: `root`/masks).

    `max_images` takes the first frames in sorted order. `workers` threads (default: one for each
    core this process may use) share the work; decoding and encoding release the interpreter.
    `progress` is called with (done, total). `label_map` has the labels of names that objects of
    polygons have and Cityscapes does not (default: that of the conversion before); `verdict` is the
    encoding of the annotations (default: what `examine` finds; `announce` is called with it before
    anything is written). Masks made with another one of either are made again. `layout` is that of
    `find_frames`. Images must be whole by the end of their files; with `verify` each is decoded,
    which takes far longer. `pixel_aspect` is the width of a pixel divided by its height (default:
    what an earlier conversion named, or what can be proven).

    Writes report.json beside the masks and returns it; pixels.npz also keeps the counts of an
    interrupted conversion and of other splits. Another conversion, even at the same time, does no
    harm: masks appear whole and are kept.

    Raises CitysegError, before any mask is written, if `masks` cannot be written, there is nothing
    to convert, or the encoding is unclear, and DatasetError if writing fails later.
    """
    conversion = plan_conversion(
        root,
        masks,
        splits=splits,
        max_images=max_images,
        workers=workers,
        label_map=label_map,
        verdict=verdict,
        layout=layout,
        verify=verify,
        pixel_aspect=pixel_aspect,
    )
    if announce:
        announce(conversion.verdict)
    return convert_planned(conversion, workers=workers, progress=progress)


def convert_planned(
    conversion: Conversion,
    *,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Report:
    """Carry out a conversion as a whole: see `convert`."""
    counted: dict[str, PixelRow | None] = {}
    report = conversion.empty_report()
    with unwritable_named(conversion.masks):
        try:
            convert_frames(conversion, conversion.frames, report, counted, workers, progress)
            complete_warnings(report, counted, conversion.before)
        except BaseException:
            # Their warnings are lost with the report: without rows, they are found again.
            new = (each for each in report.outcomes if each.warnings not in ((), WARNED_BEFORE))
            counted |= {each.frame: None for each in new}
            raise
        finally:  # keeps the counts of an interrupted conversion too
            update_pixel_table(conversion.masks, counted, conversion.keeps_row())
        report.write(conversion.masks)
    return report


@contextmanager
def unwritable_named(masks: Path) -> Iterator[None]:
    """Raise DatasetError for an OSError of writing masks."""
    try:
        yield
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "check the folder"
        raise DatasetError(
            f"Masks cannot be written to {masks} ({error.strerror or error}): {remedy} and start "
            "again; finished masks are kept"
        ) from error


def convert_frames(
    conversion: Conversion,
    frames: Sequence[Frame],
    report: Report,
    counted: dict[str, PixelRow | None],
    workers: int | None,
    progress: ProgressCallback | None,
) -> None:
    """Convert some frames of a conversion, and report on them; see `_collect` for `counted`.

    The warnings in the report are to be completed. Raises OSError.
    """
    keep_freed_memory()
    _make_folders(frames, conversion.masks)
    convert_one = partial(
        _convert_frame,
        masks=conversion.masks,
        known=known_rows(conversion.masks),
        label_map=conversion.label_map,
        encoding=conversion.verdict.checked(),
        verify=conversion.verify,
        kept=conversion.kept,
    )
    with closing(map_in_threads(convert_one, frames, workers)) as results:
        _collect(frames, results, counted, report, progress)


def _make_folders(frames: Sequence[Frame], masks: Path) -> None:
    """Create the folders of all masks; raises CitysegError if one of them cannot be written."""
    for file in (REPORT, PIXELS):
        check_output_file(masks / file)
    for folder in sorted({frame.mask(masks).parent for frame in frames}):
        check_output_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)


def _collect(
    frames: Sequence[Frame],
    results: Iterable[_Converted | Skipped],
    counted: dict[str, PixelRow | None],
    report: Report,
    progress: ProgressCallback | None,
) -> None:
    """Report on the result of each frame; adds its row to `counted`, None where it was skipped."""
    unlabelled: list[str] = []
    skipped = Counter[str]()
    for frame, result in zip(frames, results, strict=True):
        if isinstance(result, Skipped):
            if isinstance(result, _UnknownNames):  # listed once, for the whole dataset
                report.unknown_names.update(result.names)
            elif result.reason == "missing_annotation":  # as most frames of the video sequences
                unlabelled.append(frame.name)
            else:
                skipped[result.reason] += 1
                if skipped[result.reason] <= _LISTED:
                    logger.warning("Skipped %s: %s", frame.name, result.detail)
            outcome = FrameOutcome(frame.name, "skipped", result.reason, result.detail)
            counted[frame.name] = None
        else:
            outcome = FrameOutcome(
                frame.name, "converted", reused=result.reused, warnings=result.warnings
            )
            counted[frame.name] = result.row
        report.outcomes.append(outcome)
        if progress:
            progress(len(report.outcomes), len(frames))
    for reason, count in skipped.items():
        if count > _LISTED:
            logger.warning("Skipped %d more (%s): %s lists all", count - _LISTED, reason, REPORT)
    if unlabelled:
        logger.warning(
            "Skipped %d of %d frames, which have no annotation, such as %s",
            *(len(unlabelled), len(frames), unlabelled[0]),
        )
    if report.unknown_names:
        logger.warning("%s", unknown_names_message(report.unknown_names))


def _report_before(masks: Path) -> Report | None:
    try:
        return Report.load(masks)
    except DatasetError:
        return None


def _pixel_aspect(
    root: Path, frames: Sequence[Frame], named: float | None, before: Report | None
) -> PixelAspect:
    if named is not None:
        return PixelAspect.named(named)
    held = before and before.pixel_aspect
    return held if held and held.is_named else prove_pixel_aspect(root, frames)


def _convert_frame(
    frame: Frame,
    masks: Path,
    known: PixelTable,
    label_map: LabelMap,
    encoding: Encoding,
    verify: bool,
    kept: Kept,
) -> _Converted | Skipped:
    target = frame.mask(masks)
    try:
        row, decoded = known.get(frame.name), kept.pop(frame.label_ids, None)
        return _write_or_reuse(frame, target, row, label_map, encoding, decoded, verify=verify)
    except MaskError as error:
        remove_outdated(target)
        if isinstance(error, UnknownNamesError):
            return _UnknownNames(error.reason, error.detail, error.names)
        return Skipped(error.reason, error.detail)


def _write_or_reuse(
    frame: Frame,
    target: Path,
    row: PixelRow | None,
    label_map: LabelMap,
    encoding: Encoding,
    decoded: Decoded | None,
    *,
    verify: bool,
) -> _Converted:
    """Write the mask of `frame` unless it is up to date; `row` is what is known of its pixels."""
    source = frame.label_ids or frame.polygons
    if frame.image is None:
        raise MaskError("missing_image", f"{source} has no image: fetch it")
    if source is None:
        raise MaskError("missing_annotation", f"{frame.image} has no annotation: fetch it")
    stamp = _stamp(source, label_map, encoding)
    image_size_hw = _image_size_hw(frame.image, verify=verify)
    reused = finished_mask_size_hw(target, stamp) == image_size_hw
    if reused and row and row.stamp == stamp:
        return _Converted(row, reused, WARNED_BEFORE)
    if decoded and decoded.holds(source, encoding):
        label_ids = label_ids_of_map(decoded.pixels, encoding, source)
    else:
        label_ids = read_label_ids(source, label_map, encoding)
    check_sizes(source, label_ids.shape, image_size_hw)
    if not reused:
        write_mask(target, as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID)), stamp)
    row = PixelRow(stamp, label_pixels(label_ids))
    return _Converted(row, reused, warnings_of(label_ids))


def check_sizes(
    annotation: Path | None, size_hw: Sequence[int], image_size_hw: Sequence[int]
) -> None:
    """Raise MaskError ("wrong_size") if an annotation and its image differ in (height, width)."""
    (height, width), (image_height, image_width) = size_hw, image_size_hw
    if (height, width) != (image_height, image_width):
        raise MaskError(
            "wrong_size",
            f"{annotation} has {width}×{height} pixels, its image {image_width}×{image_height}: "
            "use both at one size",
        )


def _stamp(source: Path, label_map: LabelMap, encoding: Encoding) -> str:
    """What a mask keeps of its annotation and of how it was read, to notice a change."""
    try:
        size, mtime_ns = file_stamp(source)
    except OSError as error:
        raise MaskError(
            "unreadable_file", f"{source} cannot be read ({error.strerror}): check the file"
        ) from error
    if source.suffix.lower() != ".json":
        # Masks of label ids keep the stamp of version 0.1.0, so that they are not made again.
        read_as = "" if encoding == "labelids" else f" {encoding}"
        return f"{_FORMAT} {source.suffix} {size} {mtime_ns}{read_as}"
    names = sorted((name, label and label.name) for name, label in label_map.items())
    digest = f" {zlib.crc32(repr(names).encode()):08x}" if names else ""
    return f"{_POLYGONS_FORMAT} {source.suffix} {size} {mtime_ns}{digest}"


def _image_size_hw(path: Path, *, verify: bool) -> tuple[int, int]:
    """(height, width) of a picture whose file is whole, from its header; `verify` decodes it."""
    head = b""
    try:
        if verify:
            return _verified_size_hw(path)
        with path.open("rb") as file:
            head = file.read(64)
            size = file.seek(0, os.SEEK_END)
            file.seek(-min(size, 16), os.SEEK_END)
            whole = ends_whole(head, file.read(), size)
        known = head.startswith(IMAGE_SIGNATURES)
        is_cut = known and not (whole or is_whole(path.read_bytes()))
        if is_cut and len(head) == 64:
            raise _truncated(path)
        header = png.read_header(head)
        if header:  # faster than Pillow
            size_hw = header.height, header.width
        else:
            with Image.open(path) as image:
                size_hw = image.height, image.width
        if is_cut:  # of a file that ends within its header, not even the size is known
            raise _truncated(path)
    except ImageError as error:
        raise MaskError("damaged_image", str(error)) from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.strerror:
            detail = f"{path} cannot be read ({error.strerror}): check the file"
        else:
            detail = why_unreadable(head, path)
        raise MaskError("unreadable_image", detail) from error
    if not known:
        raise MaskError("unreadable_image", f"{path} is no PNG, JPEG or WebP: fetch it again")
    return size_hw


def _verified_size_hw(path: Path) -> tuple[int, int]:
    """(height, width) of a picture that can be decoded. Raises ImageError and MaskError."""
    content = read_regular_file(path)
    pixels = decode_frame(content, path)
    if is_cut_and_closed(content, pixels):
        raise _truncated(path)
    height, width, _ = pixels.shape
    return height, width


def _truncated(path: Path) -> MaskError:
    return MaskError("truncated_image", f"{path} ends too early: fetch it again")
