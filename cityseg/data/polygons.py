"""Read `*_polygons.json` and draw it exactly as the official label maps were drawn.

The official maps were drawn by json2labelImg of cityscapesscripts with the Pillow of its day. In
2015 Pillow rewrote how it fills a polygon (its pull request 610), and since then 0.33–0.59 % of
the pixels of a genuine frame differ, all at edges. `rasterise` follows the older rule, `polygon8`
and `add_edge` of Draw.c: no pixel of eight genuine frames differs.

The older rule: coordinates lose their fraction. Each row is cut at its middle, y + 0.5, which no
vertex can meet; crossings are computed in 32-bit floats and sorted; from an odd one to the next
even one, pixels ⌈x₁ − 0.5⌉ to ⌊x₂ + 0.5⌋ are filled. So a polygon keeps its right edge and
loses its lowest row, a horizontal line is invisible, and two points make a line.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import IntArray, Uint8Array
from cityseg.data.label_map import NO_LABEL_MAP, LabelMap, UnknownNamesError, shortened
from cityseg.errors import MaskError
from cityseg.labels import LABEL_OF_NAME
from cityseg.system import JsonError, parse_json

#: A genuine file has up to a few MB. JSON takes some thirty times its size in memory.
_MAX_BYTES: Final = 1 << 25
#: No vertex of a frame with up to `annotations.MAX_PIXELS` is farther away.
_FAR: Final = 1 << 25
#: Two points make a line.
_FEWEST_VERTICES: Final = 2
#: Edges times the rows that they cross; 140 times what the largest genuine frame has.
_MAX_CROSSINGS: Final = 1 << 22

#: A field that only another tool's files have -> what such a file is called.
_OTHER_FORMATS: Final = {
    "shapes": "a labelme file (shapes with points)",
    "imagePath": "a labelme file",
    "annotations": "a COCO file (images, annotations and categories)",
    "features": "a GeoJSON file",
    "_via_img_metadata": "a file of the VGG Image Annotator",
    "_via_settings": "a file of the VGG Image Annotator",
}

Float32Array = npt.NDArray[np.float32]


class Polygons(NamedTuple):
    """What a polygons file draws, in painter's order: the last polygon covers the others.

    `outlines` are (N, 2) int64 arrays of x, y with N ≥ 2; each has its label id, 0–33.
    """

    height: int
    width: int
    outlines: list[IntArray]
    label_ids: list[int]


class _FormatError(Exception):
    """The content is not that of a polygons file; the message says what it is instead."""


# --- reading ---------------------------------------------------------------------------------


def parse_polygons(content: bytes, path: Path, label_map: LabelMap = NO_LABEL_MAP) -> Polygons:
    """Read the polygons file `content`; `path` is for messages.

    By the official rules, deleted objects and those whose label has no id (license plate) are not
    drawn, and a group is drawn as its class. Polygons of no point or one draw nothing, whatever
    their name.

    Raises MaskError: "bad_polygons", or UnknownNamesError if a name is neither a label nor in
    `label_map`. Source: `createLabelImage` of the official json2labelImg.
    """
    try:
        annotation = _load(content)
        if other := _other_format(annotation):
            raise MaskError(
                "bad_polygons",
                f"{path} is {other}: convert it to Cityscapes polygons (imgHeight, imgWidth, and "
                "objects with label and polygon)",
            )
        return _parse(_object(annotation), path, label_map)
    except _FormatError as error:
        raise MaskError(
            "bad_polygons",
            f"{path} is no Cityscapes polygons file ({error}): correct it or fetch it again",
        ) from error


def _load(content: bytes) -> Any:
    if len(content) > _MAX_BYTES:
        raise _FormatError(f"it is larger than {_MAX_BYTES >> 20} MB")
    try:
        return parse_json(content)
    except JsonError as error:
        raise _FormatError(str(error)) from error


def _other_format(annotation: Any) -> str | None:
    """What a file of another tool is called; None for what may be a Cityscapes file."""
    if isinstance(annotation, list):
        is_task = any(isinstance(each, dict) and "annotations" in each for each in annotation)
        return "an export of Label Studio" if is_task else None
    if not isinstance(annotation, dict):
        return None
    objects = annotation.get("objects")
    if isinstance(objects, list):
        named = (isinstance(each, dict) and "classTitle" in each for each in objects)
        return "a Supervisely file (objects with classTitle)" if any(named) else None
    return next((name for key, name in _OTHER_FORMATS.items() if key in annotation), None)


def _object(annotation: Any) -> dict[str, Any]:
    if not isinstance(annotation, dict):
        raise _FormatError(f"it is {_kind(annotation)}, not an object")
    return annotation


def _parse(annotation: dict[str, Any], path: Path, label_map: LabelMap) -> Polygons:
    polygons = Polygons(_size(annotation, "imgHeight"), _size(annotation, "imgWidth"), [], [])
    known: LabelMap = {**LABEL_OF_NAME, **label_map}
    unknown: Counter[str] = Counter()
    for name, vertices in _objects(annotation):
        if len(vertices) < _FEWEST_VERTICES:
            continue
        # The whole name first: polegroup is a label of its own.
        found = next((each for each in (name, name.removesuffix("group")) if each in known), None)
        if found is None:
            unknown[name] += 1
        elif (label := known[found]) and label.id >= 0:
            polygons.outlines.append(vertices)
            polygons.label_ids.append(label.id)
    if unknown:
        raise UnknownNamesError(path, unknown)
    return polygons


def _size(annotation: dict[str, Any], name: str) -> int:
    value = _field(annotation, name, str | int | float)
    if isinstance(value, bool):
        raise _FormatError(f"{name} is true or false, not a number")
    try:
        size = int(value)  # as the official tool does
    except (ValueError, OverflowError) as error:
        raise _FormatError(f"{name} is no whole number") from error
    if abs(size) > _FAR:
        raise _FormatError(f"{name} is larger than that of any picture")
    return size


def _objects(annotation: dict[str, Any]) -> Iterator[tuple[str, IntArray]]:
    """Name and (N, 2) vertices of each object that has not been deleted."""
    objects = _field(annotation, "objects", list)
    for number, entry in enumerate(objects, 1):
        which = f"object {number} of {len(objects)}"
        if not isinstance(entry, dict):
            raise _FormatError(f"{which} is {_kind(entry)}, not an object")
        if entry.get("deleted"):
            continue
        name = _field(entry, "label", str, which).strip()
        yield name, _vertices(entry, f"{which} ({shortened(name)})")


def _vertices(entry: dict[str, Any], which: str) -> IntArray:
    points = _field(entry, "polygon", list, which)
    # NumPy would read text and nested lists too, and take memory beyond measure for some.
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise _FormatError(f"the polygon of {which} is no list of [x, y] pairs")
    numbers = list(chain.from_iterable(points))
    if not {int, float}.issuperset(map(type, numbers)):
        raise _FormatError(f"the polygon of {which} has a coordinate that is no number")
    try:
        coordinates = np.array(numbers, np.float64)
    except OverflowError:
        coordinates = np.array([np.inf])  # an integer beyond floats
    if np.isnan(coordinates).any():
        raise _FormatError(f"the polygon of {which} has a coordinate that is no number")
    if not (np.abs(coordinates) < _FAR).all():
        raise _FormatError(f"the polygon of {which} has a vertex far outside the frame")
    return coordinates.astype(np.int64).reshape(-1, 2)


_KINDS: Final = {dict: "an object", list: "a list", str: "text", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


def _field(entry: dict[str, Any], name: str, kind: Any, owner: str = "") -> Any:
    """The value of a field of that type; `owner` is for messages."""
    of_owner = f" of {owner}" if owner else ""
    if name not in entry:
        raise _FormatError(f"{name}{of_owner} is missing")
    value = entry[name]
    if not isinstance(value, kind):
        raise _FormatError(
            f"{name}{of_owner} is {_kind(value)}, not {_KINDS.get(kind, 'a number')}"
        )
    return value


# --- drawing ---------------------------------------------------------------------------------


def rasterise(polygons: Polygons, path: Path) -> Uint8Array:
    """Draw `polygons` as (H, W) uint8 label ids; 0, unlabeled, where there is none.

    `path` is for messages. Raises MaskError ("bad_polygons") if the outlines cross so many rows
    that the crossings would exhaust memory.
    """
    edges = _edges(polygons.outlines, polygons.height)
    if (crossings := int((edges.bottom - edges.top).sum())) > _MAX_CROSSINGS:
        raise MaskError(
            "bad_polygons",
            f"{path} has outlines that cross {crossings:,} rows, far more than any frame: "
            "simplify them",
        )
    label_ids = np.zeros((polygons.height, polygons.width), np.uint8)
    _fill(label_ids, edges, polygons.label_ids)
    return label_ids


def draw_numbers(outlines: Sequence[IntArray], size_hw: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Draw (N, 2) integer outlines of x, y by the rule of `rasterise`.

    Returns (H, W) int32: the 1-based number of the last outline that covers a pixel, 0 for none.
    """
    numbers = np.zeros(size_hw, np.int32)
    _fill(numbers, _edges(outlines, size_hw[0]), range(1, len(outlines) + 1))
    return numbers


class _Edges(NamedTuple):
    """(E,) of the edges that cross rows: index of the polygon, first vertex, slope, rows."""

    polygon: IntArray
    x: Float32Array
    y: Float32Array
    dx: Float32Array
    top: IntArray
    bottom: IntArray


def _edges(outlines: Sequence[IntArray], height: int) -> _Edges:
    polygon = np.repeat(np.arange(len(outlines)), [len(outline) for outline in outlines])
    nothing = np.empty((0, 2), np.int64)
    x, y = np.concatenate([nothing, *outlines]).T
    following = (np.roll(outline, -1, axis=0) for outline in outlines)
    next_x, next_y = np.concatenate([nothing, *following]).T
    top = np.clip(np.minimum(y, next_y), 0, height)
    bottom = np.clip(np.maximum(y, next_y), 0, height)  # exclusive
    use = top < bottom
    # The old Pillow computed in 32-bit floats, and another rounding gives other pixels.
    dx = (next_x - x)[use].astype(np.float32) / (next_y - y)[use].astype(np.float32)
    first_x, first_y = x[use].astype(np.float32), y[use].astype(np.float32)
    return _Edges(polygon[use], first_x, first_y, dx, top[use], bottom[use])


def _fill(pixels: npt.NDArray[Any], edges: _Edges, values: Sequence[int]) -> None:
    """Write into (H, W) `pixels` the value of the last polygon that covers each of them."""
    drawn, starts, stops = _runs(edges, *pixels.shape)
    flat = pixels.reshape(-1)
    fill = np.array(values)[drawn].tolist() if len(drawn) else []
    for value, start, stop in zip(fill, starts.tolist(), stops.tolist(), strict=True):
        flat[start:stop] = value


def _runs(edges: _Edges, height: int, width: int) -> tuple[IntArray, IntArray, IntArray]:
    """(R,) runs of pixels to fill, in painter's order: index of the polygon, start, stop.

    `start` and `stop` (exclusive) count the pixels of the frame row by row.
    """
    rows = edges.bottom - edges.top
    edge = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(edge)) + (edges.top - np.cumsum(rows) + rows)[edge]
    middle = row.astype(np.float32) + np.float32(0.5)
    x = (middle - edges.y[edge]) * edges.dx[edge] + edges.x[edge]
    x = np.clip(x, -1, width).astype(np.float64)
    # A run that begins at x takes in the pixel ⌈x − 0.5⌉, one that ends there ⌊x + 0.5⌋. Both
    # grow with x, so their sum, a whole number, sorts crossings as x does and holds both.
    both = (np.ceil(x - 0.5) + np.floor(x + 0.5)).astype(np.int64) + 2
    span = 2 * width + 3
    ordered = np.sort((edges.polygon[edge] * height + row) * span + both)
    place, both = np.divmod(ordered, span)
    polygon, row = np.divmod(
        place[::2], height
    )  # a closed outline crosses a row an even number of times
    left = np.clip(both[::2] // 2 - 1, 0, width)
    right = np.clip((both[1::2] + 1) // 2 - 1, -1, width - 1)
    return polygon, row * width + left, row * width + right + 1
