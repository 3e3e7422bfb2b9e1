"""Read annotations exactly, or refuse them with a reason code.

Each way in which an annotation was found to be wrong has a code in REASONS. A file's name proves
nothing: its container, its values and the shape of its edges decide.
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.label_map import NO_LABEL_MAP, LabelMap
from cityseg.data.polygons import parse_polygons, rasterise
from cityseg.errors import MaskError, ScoreError
from cityseg.labels import (
    IGNORE,
    LABEL_ID_PALETTE,
    NUM_CLASSES,
    NUM_LABEL_IDS,
)

#: Reason code -> what it means; a frame without a mask has one of them.
REASONS: Final = {
    "missing_image": "The annotation has no image",
    "missing_annotation": "The image has neither label ids nor polygons",
    "unreadable_image": "The image's header cannot be read, so its size is unknown",
    "unreadable_file": "The operating system refused to read the annotation",
    "empty_file": "The annotation's file is empty",
    "truncated_file": "The annotation's file ends too early",
    "corrupt_file": "The annotation's file is damaged or no picture",
    "lossy_format": "The annotation is a JPEG or WebP, which invents labels at edges",
    "too_large": "The annotation claims more pixels than any frame has, or none",
    "color_map": "The annotation holds Cityscapes colours, not label ids",
    "palette": "The annotation is a palette picture, whose indices may mean anything",
    "not_grey": "The annotation has several channels, and label ids have one",
    "wrong_depth": "The annotation does not have 8 bits a pixel (16 bits: instance ids)",
    "train_ids": "The annotation holds train ids, not label ids",
    "unknown_label": "The annotation has values or names that are no Cityscapes labels",
    "interpolated": "The annotation was resized with interpolation, which invents labels at edges",
    "wrong_size": "The annotation and its image differ in size",
    "bad_polygons": "The polygons file is not what the official tools write",
}

#: More than any camera of the dataset, less than would exhaust a worker's memory.
MAX_PIXELS: Final = 1 << 25
_FETCH: Final = "fetch it again"


def read_label_ids(path: Path, label_map: LabelMap = NO_LABEL_MAP) -> Uint8Array:
    """Read the label ids of an annotation: (H, W) uint8, from a PNG or a polygons JSON.

    `label_map` has the labels of further names that the objects of polygons have.

    Raises MaskError, whose reason is a key of REASONS, if the file is anything else.
    """
    content = read_bytes(path)
    if path.suffix.lower() == ".json":
        polygons = parse_polygons(content, path, label_map)
        _check_size(polygons.width, polygons.height, path)
        return rasterise(polygons, path)
    header = check_png(content, path, _FETCH)
    _check_size(header.width, header.height, path)
    _check_kind(header, content, path)
    label_ids = decode_as_stored(content, header, np.uint8)
    if label_ids is None:
        raise MaskError("corrupt_file", f"{path} cannot be decoded: {_FETCH}")
    _check_values(as_uint8(label_ids), path)
    return as_uint8(label_ids)


def read_bytes(path: Path) -> bytes:
    """Read the whole file; raises MaskError if it cannot be read or is empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MaskError(
            "unreadable_file", f"{path} cannot be read ({error.strerror}): check the file"
        ) from error
    if not content:
        raise MaskError("empty_file", f"{path} is empty: {_FETCH}")
    return content


def check_png(content: bytes, path: Path, remedy: str) -> png.Header:
    """Read the header of the PNG file `content` after checking that it is whole.

    Raises MaskError ("lossy_format", "truncated_file" or "corrupt_file"); its detail names `path`
    and ends with `remedy`.
    """
    # OpenCV and Pillow decode a PNG without its end chunk, or return the rows they got.
    header, damage = png.read_header(content), png.find_damage(content)
    if header and not damage:
        return header
    if content.startswith(b"\xff\xd8") or (content[:4], content[8:12]) == (b"RIFF", b"WEBP"):
        raise MaskError(
            "lossy_format",
            f"{path} is a JPEG or WebP, which invents labels at edges: use the original PNG",
        )
    if not png.SIGNATURE.startswith(content[: len(png.SIGNATURE)]):
        raise MaskError("corrupt_file", f"{path} is no PNG: {remedy}")
    if damage == "truncated":
        raise MaskError("truncated_file", f"{path} is truncated: {remedy}")
    raise MaskError("corrupt_file", f"{path} is damaged: {remedy}")


def decode_as_stored(
    content: bytes, header: png.Header, dtype: type[np.uint8 | np.uint16]
) -> npt.NDArray[Any] | None:
    """Decode a grey PNG of that header to (H, W) of `dtype`; None if OpenCV does otherwise."""
    # Any other flag turns 16-bit ids into 8-bit ones, which saturate, and a palette into colours.
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (header.height, header.width) or pixels.dtype != dtype:
        return None
    return pixels


# --- what a PNG with label ids must be -------------------------------------------------------


def _check_size(width: int, height: int, path: Path) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise MaskError("too_large", f"{path} claims {width}×{height} pixels: {_FETCH}")


def _check_kind(header: png.Header, content: bytes, path: Path) -> None:
    if header.color_type == png.PALETTE:
        # Pillow reads a palette's indices and OpenCV its colours; neither need be label ids.
        raise MaskError("palette", f"{path} is a palette picture: plain grey label ids are needed")
    if header.color_type != png.GREY:
        if _has_only_label_colors(content):
            raise MaskError("color_map", f"{path} is a colour map: use its _labelIds.png")
        raise MaskError("not_grey", f"{path} has several channels: use its _labelIds.png")
    if header.bit_depth != 8:
        raise MaskError(
            "wrong_depth", f"{path} has {header.bit_depth} bits a pixel, not 8: use _labelIds.png"
        )


def _has_only_label_colors(content: bytes) -> bool:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return False
    found = np.unique(picture[::4, ::4, ::-1].reshape(-1, 3), axis=0)  # BGR to RGB
    known = set(map(tuple, LABEL_ID_PALETTE[:NUM_LABEL_IDS].tolist()))
    return known.issuperset(map(tuple, found.tolist()))


def _check_values(label_ids: Uint8Array, path: Path) -> None:
    highest = int(label_ids.max())
    if highest < NUM_CLASSES or highest >= NUM_LABEL_IDS:  # else: nothing but label ids
        pixels = np.bincount(label_ids.ravel(), minlength=256)
        unknown = np.flatnonzero(pixels[NUM_LABEL_IDS:]) + NUM_LABEL_IDS
        if not pixels[NUM_CLASSES:IGNORE].any() and _looks_like_train_ids(pixels):
            raise MaskError("train_ids", f"{path} holds train ids: use its _labelIds.png")
        if unknown.size:
            values = ", ".join(map(str, unknown[:5]))
            raise MaskError(
                "unknown_label", f"{path} has values that are no label ids ({values}): {_FETCH}"
            )
    if interpolation_share(label_ids) > _INTERPOLATED:
        raise MaskError(
            "interpolated", f"{path} has labels invented by interpolation at its edges: {_FETCH}"
        )


def _looks_like_train_ids(pixels: npt.NDArray[np.integer[Any]]) -> bool:
    """Whether a map with values 0–18 and 255 only makes sense as train ids.

    255 is no label id. Without it: a street has road, so 0 (road as train id, unlabeled as label
    id) outweighs 7 (traffic sign or road) only in train ids, unless nothing is annotated at all,
    as in the test split, where everything is below 7.
    """
    # All of 0–18 are valid label ids too, so this is a guess: a map of label ids up to 18 that is
    # mostly unlabeled is refused. One frame cannot tell the two apart; the whole dataset could.
    return bool(pixels[IGNORE] or (pixels[0] > pixels[7] and pixels[8:NUM_CLASSES].any()))


#: Between what was measured: 0.00–0.08 on genuine maps, also shrunk eightfold by nearest
#: neighbour; 0.12–0.52 on the same maps resized up to fourfold with any interpolation or stored
#: as JPEG. Of those shrunk eightfold with interpolation, half are below the limit.
_INTERPOLATED: Final = 0.1
_MIN_EDGES: Final = 200


def interpolation_share(label_ids: Uint8Array) -> float:
    """Share of label edges in (H, W) uint8 that pass through an in-between value, 0–1.

    Interpolation between labels 7 and 26 leaves a ramp such as 7, 16, 26; drawn annotations
    jump. About 128 rows and as many columns are examined; the larger of both shares counts, as a
    map may have been resized in one direction only. 0 if there are too few edges to tell.
    """
    return max(_ramp_share(label_ids), _ramp_share(label_ids.T))


def _ramp_share(label_ids: Uint8Array) -> float:
    """The share of `interpolation_share` along the rows."""
    rows = label_ids[:: max(1, label_ids.shape[0] // 128)].astype(np.int16)
    left, middle, right = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
    edges = np.count_nonzero(left != right)
    ramps = np.count_nonzero((middle - left) * (right - middle) > 0)
    return ramps / edges if edges >= _MIN_EDGES else 0.0


# --- grey PNGs of any ids, for scores --------------------------------------------------------

_CHANNELS: Final = {
    png.GREY: "one channel",
    png.PALETTE: "palette indices",
    png.GREY_ALPHA: "two channels",
    png.RGB: "three channels",
    png.RGBA: "four channels",
}


def read_grey_png(
    path: Path, dtype: type[np.uint8 | np.uint16], shape_hw: tuple[int, ...] | None = None
) -> npt.NDArray[Any]:
    """Read a PNG with one grey channel as (H, W) of exactly `dtype`, uint8 or uint16.

    Raises ScoreError on any other kind of file, a damaged one, and a shape other than `shape_hw`.
    """
    remedy = "fetch or write it again"
    try:
        content = read_bytes(path)
        header = check_png(content, path, remedy)
    except MaskError as error:
        raise ScoreError(error.detail) from error
    bits = np.dtype(dtype).itemsize * 8
    if (header.color_type, header.bit_depth) != (png.GREY, bits):
        channels = _CHANNELS.get(header.color_type, "an unknown number of channels")
        raise ScoreError(
            f"{path} has {channels} of {header.bit_depth} bits: one of {bits} bits is needed"
        )
    if shape_hw not in (None, (header.height, header.width)):
        height, width = shape_hw
        raise ScoreError(
            f"{path} is {header.width}×{header.height} pixels, its ground truth {width}×{height}"
        )
    pixels = decode_as_stored(content, header, dtype)
    if pixels is None:
        raise ScoreError(f"{path} cannot be decoded: {remedy}")
    return pixels
