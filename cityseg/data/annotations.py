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
from cityseg.data.encodings import (
    ENCODING_NAMES,
    LABEL_IDS_OF_VALUES,
    NO_LABEL,
    Encoding,
    is_blue_first,
    label_ids_of_colors,
)
from cityseg.data.images import what_instead
from cityseg.data.label_map import NO_LABEL_MAP, LabelMap
from cityseg.data.polygons import parse_polygons, rasterise
from cityseg.data.stored_values import read_equal_channels, read_palette
from cityseg.data.street_model import fits, seen_in
from cityseg.errors import MaskError, ScoreError
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.system import read_regular_file

#: Reason code -> what it means; a frame without a mask has one of them.
REASONS: Final = {
    "missing_image": "The annotation has no image",
    "missing_annotation": "The image has neither label ids nor polygons",
    "unreadable_image": "The image's header cannot be read, so its size is unknown",
    "truncated_image": "The image's file ends too early",
    "damaged_image": "The image cannot be decoded",
    "unreadable_file": "The operating system refused to read the annotation",
    "empty_file": "The annotation's file is empty",
    "truncated_file": "The annotation's file ends too early",
    "corrupt_file": "The annotation's file is damaged or no picture",
    "lossy_format": "The annotation is a JPEG or WebP, which invents labels at edges",
    "no_png": "The annotation is in another format than PNG",
    "too_large": "The annotation claims more pixels than any frame has, or none",
    "color_map": "The annotation holds Cityscapes colours, not label ids",
    "palette": "The annotation is a palette picture, whose indices may mean anything",
    "not_grey": "The annotation has several channels, and label ids have one",
    "wrong_depth": "The annotation does not have 8 bits a pixel (16 bits: instance ids)",
    "train_ids": "The annotation holds train ids, not the label ids of the dataset",
    "unknown_label": "The annotation has values, colours or names that are no Cityscapes labels",
    "interpolated": "The annotation was resized with interpolation, which invents labels at edges",
    "wrong_size": "The annotation and its image differ in size",
    "bad_polygons": "The polygons file is not what the official tools write",
}

#: How files begin that hold the values of a label map, but are no PNG.
_OTHER_FORMATS: Final = {
    **{b"BM": "BMP", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"},
    **{b"\x93NUMPY": "NumPy array"},
}
#: More than any camera of the dataset, less than would exhaust a worker's memory.
MAX_PIXELS: Final = 1 << 25
_FETCH: Final = "fetch it again"
_OTHER_ENCODING: Final = "convert again, or name another encoding with convert --encoding"
_NEEDED: Final = "label ids in one grey channel of 8 bits are needed"


def read_label_ids(
    path: Path, label_map: LabelMap = NO_LABEL_MAP, encoding: Encoding = "labelids"
) -> Uint8Array:
    """Read the label ids of an annotation: (H, W) uint8, from a PNG or a polygons JSON.

    `label_map` has the labels of further names that the objects of polygons have. `encoding` says
    what the values of a PNG are; void of any other encoding than label ids becomes 0, unlabeled.

    Raises MaskError, whose reason is a key of REASONS, if the file is anything else.
    """
    content = read_bytes(path)
    if path.suffix.lower() == ".json":
        polygons = parse_polygons(content, path, label_map)
        _check_size(polygons.width, polygons.height, path)
        return rasterise(polygons, path)
    header = check_png(content, path, _FETCH)
    pixels = decode_map(content, header, path, colored=encoding in COLORED)
    return label_ids_of_map(pixels, encoding, path)


def decode_map(content: bytes, header: png.Header, path: Path, *, colored: bool) -> Uint8Array:
    """Decode a PNG to (H, W) uint8: its values, or the label ids of its colours if `colored`.

    Of values stored with 16 bits, 65535 (−1) becomes 255. Raises MaskError.
    """
    _check_size(header.width, header.height, path)
    if colored:
        return _read_colors(content, header, path)
    return _read_values(content, header, path)


def label_ids_of_map(pixels: Uint8Array, encoding: Encoding, path: Path) -> Uint8Array:
    """The label ids of what `decode_map` returned, by the encoding of the values.

    Raises MaskError if these are no such values, or were interpolated.
    """
    return pixels if encoding in COLORED else _label_ids_of_values(pixels, encoding, path)


def read_bytes(path: Path) -> bytes:
    """Read the whole file; raises MaskError if it cannot be read or is empty."""
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise MaskError(
            "unreadable_file", f"{path} cannot be read ({error.strerror}): check the file"
        ) from error
    if not content:
        raise MaskError("empty_file", f"{path} is empty: {_FETCH}")
    if about := what_instead(content):
        raise MaskError("corrupt_file", f"{path} is {about}")
    return content


def check_png(content: bytes, path: Path, remedy: str) -> png.Header:
    """Read the header of the PNG file `content` after checking that it is whole.

    Raises MaskError ("lossy_format", "no_png", "truncated_file" or "corrupt_file"); its detail
    names `path` and ends with `remedy`, or says how to get a PNG.
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
        found = (name for start, name in _OTHER_FORMATS.items() if content.startswith(start))
        if name := next(found, None):
            raise MaskError("no_png", f"{path} is a {name}: save it as PNG")
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


#: Encodings by colour; any other has one channel of values.
COLORED: Final = ("colors", "palette")


def _read_values(content: bytes, header: png.Header, path: Path) -> Uint8Array:
    """Decode the values of an annotation with one channel; raises MaskError if it is another."""
    if header.color_type != png.GREY:
        values = read_equal_channels(content, header, path)
        if values is None:
            raise _colored(content, header, path)
    elif header.bit_depth == 1:
        raise MaskError("wrong_depth", f"{path} is black and white, a mask of one label: {_NEEDED}")
    elif header.bit_depth not in (8, 16):
        raise MaskError("wrong_depth", f"{path} has {header.bit_depth} bits a pixel: {_NEEDED}")
    else:
        stored = np.uint8 if header.bit_depth == 8 else np.uint16
        values = decode_as_stored(content, header, stored)
    if values is None:
        raise MaskError("corrupt_file", f"{path} cannot be decoded: {_FETCH}")
    return as_uint8(values) if values.dtype == np.uint8 else _narrowed(values, path)


def _colored(content: bytes, header: png.Header, path: Path) -> MaskError:
    """The error for a picture with colours where values are needed."""
    if header.color_type == png.PALETTE:
        # Pillow reads a palette's indices and OpenCV its colours; neither need be label ids.
        return MaskError(
            "palette",
            f"{path} has a palette of other colours than Cityscapes', so its indices may mean "
            f"anything: {_NEEDED}",
        )
    if header.bit_depth == 8 and header.color_type in (png.RGB, png.RGBA):
        if (color := _foreign_color(content)) is None:
            return MaskError("color_map", f"{path} is a map of Cityscapes colours: {_NEEDED}")
        return MaskError(
            "not_grey", f"{path} has colours that are no labels', such as {color}: {_NEEDED}"
        )
    return MaskError(
        "not_grey", f"{path} has several channels of {header.bit_depth} bits: {_NEEDED}"
    )


def _narrowed(values: npt.NDArray[Any], path: Path) -> Uint8Array:
    """Values stored with 16 bits, of which −1 stands for void."""
    void = values == _MINUS_ONE
    if values.max(where=~void, initial=0) > IGNORE:
        raise MaskError(
            "wrong_depth",
            f"{path} has 16 bits a pixel, as instance ids have: {_NEEDED}",
        )
    return np.where(void, IGNORE, values).astype(np.uint8)


_MINUS_ONE: Final = 0xFFFF


def _foreign_color(content: bytes) -> tuple[int, ...] | None:
    """A colour, RGB, of a picture that has others than those of labels; None if it has none."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None or label_ids_of_colors(some := as_uint8(picture[::4, ::4])) is not None:
        return None
    colors = np.unique(some.reshape(-1, 3), axis=0)
    unknown = (c for c in colors if label_ids_of_colors(as_uint8(c[None, None])) is None)
    return tuple(map(int, next(unknown, colors[0])))


def has_blue_first(content: bytes) -> bool:
    """Whether the colours of a picture are of labels only if blue comes first, as in OpenCV."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    return picture is not None and is_blue_first(as_uint8(picture))


def _read_colors(content: bytes, header: png.Header, path: Path) -> Uint8Array:
    """Read a palette picture or a colour map of exact Cityscapes colours."""
    if header.color_type == png.PALETTE:
        indices, lookup = read_palette(content, path)
        if lookup is None:
            raise MaskError("palette", f"{path} has a palette of other colours: {_FETCH}")
        return as_uint8(cv2.LUT(indices, lookup))
    if header.color_type not in (png.RGB, png.RGBA) or header.bit_depth != 8:
        raise MaskError("wrong_depth", f"{path} is no colour map of 8 bits: {_FETCH}")
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise MaskError("corrupt_file", f"{path} cannot be decoded: {_FETCH}")
    some = label_ids_of_colors(as_uint8(picture[::16, ::16]))  # a photograph is refused at once
    label_ids = None if some is None else label_ids_of_colors(as_uint8(picture))
    if label_ids is None:
        raise MaskError("unknown_label", f"{path} has colours that are no labels': {_FETCH}")
    return label_ids


def _label_ids_of_values(values: Uint8Array, encoding: Encoding, path: Path) -> Uint8Array:
    table = LABEL_IDS_OF_VALUES[encoding]
    highest = int(values.max())
    if highest <= NUM_CLASSES or table[highest] == NO_LABEL or highest == IGNORE:
        present = np.flatnonzero(cv2.calcHist([values], [0], None, [256], [0, 256]))
        if (unknown := present[table[present] == NO_LABEL]).size:
            found = ", ".join(map(str, unknown[:5].tolist()))
            remedy = _FETCH if encoding == "labelids" else _OTHER_ENCODING
            raise MaskError(
                "unknown_label",
                f"{path} has values that are no {ENCODING_NAMES[encoding]} ({found}): {remedy}",
            )
        if encoding == "labelids" and _looks_like_train_ids(values):
            raise MaskError("train_ids", f"{path} holds train ids: {_NEEDED}")
    label_ids = values
    if encoding != "labelids" or highest == IGNORE:
        label_ids = as_uint8(cv2.LUT(values, np.maximum(table, 0).astype(np.uint8)))
    # Not of the values: in train ids all classes lie between road, 0, and void, 255.
    if interpolation_share(label_ids) > _INTERPOLATED:
        raise MaskError(
            "interpolated", f"{path} has labels invented by interpolation at its edges: {_FETCH}"
        )
    return label_ids


def _looks_like_train_ids(values: Uint8Array) -> bool:
    """Whether a map without label ids above 19 shows a street only if its values are train ids.

    A partly labelled frame does not: its 0, unlabeled, lies anywhere, where train id 0 is road.
    """
    seen = seen_in(values)
    if seen.values.size < _TELLING_VALUES:
        return False
    found = fits(seen)
    best = next(iter(found))
    return best.startswith("trainids") and found[best] - found["labelids"] > _EVIDENT


_TELLING_VALUES: Final = 4
#: No genuine map fits train ids better than label ids by this, nor one of which a few labels were
#: kept; of genuine maps in train ids, two in a hundred do so by less.
_EVIDENT: Final = 3.0
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
    png.GREY_ALPHA: "two channels",
    png.RGB: "three channels",
    png.RGBA: "four channels",
}


def read_grey_png(
    path: Path, dtype: type[np.uint8 | np.uint16], shape_hw: tuple[int, ...] | None = None
) -> npt.NDArray[Any]:
    """Read a PNG with one grey channel, or equal ones, as (H, W) of `dtype`, uint8 or uint16.

    Raises ScoreError on any other kind of file, a damaged one, one of more than MAX_PIXELS, and a
    shape other than `shape_hw`.
    """
    remedy = "fetch or write it again"
    try:
        content = read_bytes(path)
        header = check_png(content, path, remedy)
        _check_size(header.width, header.height, path)  # a small file can claim a giant picture
    except MaskError as error:
        raise ScoreError(error.detail) from error
    bits = np.dtype(dtype).itemsize * 8
    is_grey = (header.color_type, header.bit_depth) == (png.GREY, bits)
    equal = None if is_grey else _equal_channels(content, header, path)
    if not is_grey and (equal is None or equal.dtype != dtype):
        if header.color_type == png.PALETTE:
            raise ScoreError(
                f"{path} is a palette picture, and not all files are palettes in the colours of "
                f"Cityscapes: write one grey channel of {bits} bits"
            )
        channels = _CHANNELS.get(header.color_type, "an unknown number of channels")
        raise ScoreError(
            f"{path} has {channels} of {header.bit_depth} bits: one of {bits} bits is needed"
        )
    if shape_hw not in (None, (header.height, header.width)):
        height, width = shape_hw
        raise ScoreError(
            f"{path} is {header.width}×{header.height} pixels, its ground truth {width}×{height}: "
            "write it at that size"
        )
    pixels = decode_as_stored(content, header, dtype) if equal is None else equal
    if pixels is None:
        raise ScoreError(f"{path} cannot be decoded: {remedy}")
    return pixels


def _equal_channels(
    content: bytes, header: png.Header, path: Path
) -> npt.NDArray[np.uint8 | np.uint16] | None:
    if header.color_type == png.GREY:
        return None
    try:
        values = read_equal_channels(content, header, path)
    except MaskError as error:
        raise ScoreError(error.detail) from error
    # A single grey shows nothing of what channels or indices are.
    return values if values is not None and np.ptp(values) else None
