"""Read annotations exactly, or say with a reason code why they cannot be trusted.

Every way in which an annotation has been seen to be wrong has a code in REASONS. Nothing is
guessed from a file's name: its container, its values and the shape of its edges decide.
"""

import json
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.errors import MaskError, ScoreError
from cityseg.labels import IGNORE, LABEL_ID_PALETTE, LABEL_OF_NAME, NUM_CLASSES, NUM_LABEL_IDS

#: Every reason for which a frame is skipped, with what it means.
REASONS: Final = {
    "missing_image": "the annotation has no image",
    "missing_annotation": "the image has neither label ids nor polygons",
    "unreadable_image": "the image's header cannot be read, so its size is unknown",
    "unreadable_file": "the operating system refused to read the annotation",
    "empty_file": "the annotation has no bytes",
    "truncated_file": "the annotation ends before its end",
    "corrupt_file": "the annotation is damaged or no picture",
    "lossy_format": "the annotation is stored as JPEG or WebP, which invents labels at edges",
    "too_large": "the annotation claims more pixels than any frame has",
    "color_map": "the annotation holds Cityscapes colours, not label ids",
    "palette": "the annotation is a palette picture, whose indices may mean anything",
    "not_grey": "the annotation has several channels",
    "wrong_depth": "the annotation does not have 8 bits a pixel (16 bits: instance ids)",
    "train_ids": "the annotation holds train ids, not label ids",
    "unknown_label": "the annotation has values that are no Cityscapes label id",
    "interpolated": "the annotation was resized with interpolation, which invents labels at edges",
    "wrong_size": "the annotation's size differs from its image's",
    "bad_polygons": "the polygons file is not what the official tools write",
}

#: More than any camera of the dataset, less than would exhaust a worker's memory.
MAX_PIXELS: Final = 1 << 25


def read_label_ids(path: Path) -> Uint8Array:
    """Read the label ids of an annotation: (H, W) uint8, from a PNG or a polygons JSON.

    Raises MaskError, whose reason is a key of REASONS, on anything that is not exactly that.
    """
    content = read_bytes(path)
    if path.suffix.lower() == ".json":
        return rasterise_polygons(content, path)
    header = png.read_header(content)
    if header is None:
        raise _not_png(content, path)
    if damage := png.find_damage(content):
        raise MaskError(f"{damage}_file", f"{path} is {damage}: fetch it again")
    _check_size(header.width, header.height, path)
    _check_kind(header, content, path)
    label_ids = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if label_ids is None or label_ids.shape != (header.height, header.width):
        raise MaskError("corrupt_file", f"{path} cannot be decoded: fetch it again")
    _check_values(as_uint8(label_ids), path)
    return as_uint8(label_ids)


def rasterise_polygons(content: bytes, path: Path) -> Uint8Array:
    """Draw the polygons file `content` as (H, W) uint8 label ids, by the official rules.

    Later polygons cover earlier ones; deleted ones and labels without an id are not drawn; a
    group is drawn as its class. `path` is for messages. Raises MaskError ("bad_polygons").
    Source: `createLabelImage` of the official json2labelImg, which also draws with Pillow.
    """
    try:
        annotation = json.loads(content)
        width, height = int(annotation["imgWidth"]), int(annotation["imgHeight"])
        _check_size(width, height, path)
        picture = Image.new("L", (width, height), LABEL_OF_NAME["unlabeled"].id)
        draw = ImageDraw.Draw(picture)
        for polygon in annotation["objects"]:
            name = polygon["label"]
            if polygon.get("deleted"):
                continue
            label = LABEL_OF_NAME.get(name) or LABEL_OF_NAME[name.removesuffix("group")]
            if label.id >= 0:
                draw.polygon(_vertices(polygon["polygon"]), fill=label.id)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as e:
        raise MaskError(
            "bad_polygons", f"{path} is no Cityscapes polygons file ({type(e).__name__}: {e})"
        ) from e
    return np.array(picture)


def _vertices(polygon: Any) -> list[tuple[float, float]]:
    """(x, y) of each vertex; ValueError where Pillow would draw a NaN or an overflow somewhere."""
    vertices = [(x, y) for x, y in polygon]
    if not all(abs(x) < MAX_PIXELS and abs(y) < MAX_PIXELS for x, y in vertices):
        raise ValueError("a vertex is nowhere near the frame")
    return vertices


def read_bytes(path: Path) -> bytes:
    """The whole file; raises MaskError if it cannot be read or is empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MaskError("unreadable_file", f"{path} cannot be read: {error.strerror}") from error
    if not content:
        raise MaskError("empty_file", f"{path} is empty: fetch it again")
    return content


def _not_png(content: bytes, path: Path) -> MaskError:
    if content.startswith(b"\xff\xd8") or (content[:4], content[8:12]) == (b"RIFF", b"WEBP"):
        return MaskError("lossy_format", f"{path} is a JPEG or WebP: labels need the original PNG")
    if png.SIGNATURE.startswith(content[: len(png.SIGNATURE)]):
        return MaskError("truncated_file", f"{path} is truncated: fetch it again")
    return MaskError("corrupt_file", f"{path} is no PNG: fetch it again")


def _check_size(width: int, height: int, path: Path) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise MaskError("too_large", f"{path} claims {width}×{height} pixels")


def _check_kind(header: png.Header, content: bytes, path: Path) -> None:
    if header.color_type == png.PALETTE:
        raise MaskError("palette", f"{path} is a palette picture: label ids are plain grey")
    if header.color_type != png.GREY:
        if _has_only_label_colors(content):
            raise MaskError("color_map", f"{path} is a colour map: use its _labelIds.png")
        raise MaskError("not_grey", f"{path} has several channels: label ids are plain grey")
    if header.bit_depth != 8:
        raise MaskError("wrong_depth", f"{path} has {header.bit_depth} bits a pixel, not 8")


def _has_only_label_colors(content: bytes) -> bool:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return False
    found = np.unique(picture[::4, ::4, ::-1].reshape(-1, 3), axis=0)
    known = {tuple(color) for color in LABEL_ID_PALETTE[:NUM_LABEL_IDS].tolist()}
    return all(tuple(color) in known for color in found.tolist())


def _check_values(label_ids: Uint8Array, path: Path) -> None:
    highest = int(label_ids.max())
    if highest < NUM_CLASSES or highest >= NUM_LABEL_IDS:  # else: nothing but label ids
        pixels = np.bincount(label_ids.ravel(), minlength=256)
        unknown = np.flatnonzero(pixels[NUM_LABEL_IDS:]) + NUM_LABEL_IDS
        if not pixels[NUM_CLASSES:IGNORE].any() and _looks_like_train_ids(pixels):
            raise MaskError("train_ids", f"{path} holds train ids: label ids are needed")
        if unknown.size:
            values = ", ".join(map(str, unknown[:5]))
            raise MaskError("unknown_label", f"{path} has values that are no label id: {values}")
    if interpolation_share(label_ids) > _INTERPOLATED:
        raise MaskError("interpolated", f"{path} has labels invented by interpolation at its edges")


def _looks_like_train_ids(pixels: np.ndarray[Any, Any]) -> bool:
    """Whether a map with values 0–18 and 255 only makes sense as train ids.

    255 is no label id. Without it: a street has road, so 0 (road as train id, unlabeled as label
    id) outweighs 7 (traffic sign or road) only in train ids, unless nothing is annotated at all,
    as in the test split, where everything is below 7.
    """
    return bool(pixels[IGNORE] or (pixels[0] > pixels[7] and pixels[8:NUM_CLASSES].any()))


#: Between what was measured: 0.00–0.08 on genuine maps, also shrunk eightfold by nearest
#: neighbour; 0.12–0.52 on the same maps resized up to fourfold with any interpolation or stored
#: as JPEG. Of those shrunk eightfold with interpolation, half are below the limit.
_INTERPOLATED: Final = 0.1
_MIN_EDGES: Final = 200


def interpolation_share(label_ids: Uint8Array) -> float:
    """Share of label edges in (H, W) uint8 that pass through an in-between value, 0–1.

    Interpolation between labels 7 and 26 leaves a ramp such as 7, 16, 26; drawn annotations
    jump. About 128 rows and as many columns are looked at, and the worse of both counts, as a map
    may have been resized in one direction only; 0 if there are too few edges to tell.
    """
    return max(_ramp_share(label_ids), _ramp_share(label_ids.T))


def _ramp_share(label_ids: Uint8Array) -> float:
    """The share of `interpolation_share` along the rows."""
    rows = label_ids[:: max(1, label_ids.shape[0] // 128)].astype(np.int16)
    left, middle, right = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
    edges = np.count_nonzero(left != right)
    ramps = np.count_nonzero((middle - left) * (right - middle) > 0)
    return ramps / edges if edges >= _MIN_EDGES else 0.0


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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScoreError(f"{path} cannot be read: {error.strerror}") from error
    header = png.read_header(content)
    if header is None:
        raise ScoreError(f"{path} is no PNG")
    if damage := png.find_damage(content):
        raise ScoreError(f"{path} is {damage}: fetch or write it again")
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
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.shape != (header.height, header.width) or image.dtype != dtype:
        raise ScoreError(f"{path} cannot be decoded: fetch or write it again")
    return image
