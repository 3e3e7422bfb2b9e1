"""A procedural city in the exact Cityscapes layout, for demos and tests without Cityscapes.

Below the root, besides what `cityseg.data.dataset` describes, lie the official `…_color.png` and
`…_polygons.json` of each frame, and `sample.json`, which says that this is a sample and of what
size and seed. A frame depends on seed, split, index and size only, so a sample can grow, and one
that was interrupted is completed. As in the real dataset, the test split is annotated as void.

The pictures are those of `cityseg.sample.scene`; here their polygons become the four annotation
files, by the rules of the official `json2labelImg` and `json2instanceImg`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cityseg.arrays import Uint8Array
from cityseg.data import ANNOTATIONS, IMAGES, SPLITS, check_splits
from cityseg.errors import DatasetError
from cityseg.labels import INSTANCES_PER_LABEL, LABEL_OF_NAME, Label, label_of
from cityseg.sample.scene import Polygon, blank_annotation, place_of, render
from cityseg.system import replacing, write_json

MARKER: Final = "sample.json"
MIN_SIZE_HW: Final = (32, 64)
MAX_SIZE_HW: Final = (1024, 2048)
#: Goes up whenever the same seed gives other pictures.
_VERSION: Final = 1
_FRAME_NUMBER: Final = 19  # of each sequence's 30 frames, Cityscapes annotates this one


class Maps(NamedTuple):
    """What the official tools draw from polygons: three maps of the frame's height and width.

    `label_ids` (H, W) uint8, `instance_ids` (H, W) uint16, `color` (H, W, 4) uint8 RGBA.
    """

    label_ids: Uint8Array
    instance_ids: npt.NDArray[np.uint16]
    color: Uint8Array


def make_sample(
    root: Path,
    *,
    frames: Mapping[str, int],
    size_hw: tuple[int, int] = (256, 512),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a sample dataset below `root`: so many frames of each split, of this size in pixels.

    Frames that a sample of the same size and seed already has are kept. `progress` is called with
    (frames done, frames in all). Raises DatasetError if a number is out of bounds, or if `root`
    is a file or holds anything but such a sample.
    """
    _check_request(frames, size_hw, seed)
    try:
        _claim(root, size_hw, seed)
        total = sum(frames.values())
        done = 0
        for split in SPLITS:
            for index in range(frames.get(split, 0)):
                _write_frame(root, split, index, size_hw, seed)
                done += 1
                if progress:
                    progress(done, total)
    except OSError as error:
        raise DatasetError(f"{root} cannot be written: {error.strerror or error}") from error


def draw_maps(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> Maps:
    """Draw the three maps of an annotation; later polygons cover earlier ones."""
    numbers = _draw_numbers(polygons, size_hw, drawn=lambda label: label.id >= 0)
    unlabeled = LABEL_OF_NAME["unlabeled"]
    labels = [unlabeled, *(_label(polygon) for polygon in polygons)]
    label_ids = np.array([max(label.id, 0) for label in labels], np.uint8)
    instance_ids = np.array([0, *_instance_ids(polygons)], np.uint16)
    color = np.array([(*label.color, 255) for label in labels], np.uint8)
    return Maps(label_ids[numbers], instance_ids[numbers], color[numbers])


def _draw_numbers(
    polygons: Sequence[Polygon], size_hw: tuple[int, int], drawn: Callable[[Label], bool]
) -> npt.NDArray[np.int32]:
    """(H, W): the 1-based number of the polygon seen at each pixel, 0 for none."""
    picture = Image.new("I", size_hw[::-1], 0)
    draw = ImageDraw.Draw(picture)
    for number, polygon in enumerate(polygons, 1):
        if drawn(_label(polygon)):
            draw.polygon(polygon.outline, fill=number)
    return np.array(picture, np.int32)


def _label(polygon: Polygon) -> Label:
    label = label_of(polygon.label)
    assert label  # noqa: S101 - the scene draws labels of the table only
    return label


def _instance_ids(polygons: Sequence[Polygon]) -> Iterator[int]:
    """The official encoding: id × 1000 + n for the n-th of its label; the id for all else."""
    seen: Counter[str] = Counter()
    for polygon in polygons:
        label = _label(polygon)
        if label.has_instances and label.name == polygon.label:
            yield label.id * INSTANCES_PER_LABEL + seen[label.name]
            seen[label.name] += 1
        else:
            yield max(label.id, 0)


def _visible(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> list[Polygon]:
    """The polygons of which anything is seen: nobody annotates what is hidden."""
    seen = set(np.unique(_draw_numbers(polygons, size_hw, drawn=lambda _: True)).tolist())
    return [polygon for number, polygon in enumerate(polygons, 1) if number in seen]


def _check_request(frames: Mapping[str, int], size_hw: tuple[int, int], seed: int) -> None:
    check_splits(frames)
    for split, count in frames.items():
        if count < 0:
            raise DatasetError(f"{count} {split} frames were asked for: give a number from 0 up")
    if not any(frames.values()):
        raise DatasetError("a sample of no frames was asked for: give at least one split a number")
    if seed < 0:
        raise DatasetError(f"the seed is {seed}: give a number from 0 up")
    names = ("height", "width")
    for name, size, low, high in zip(names, size_hw, MIN_SIZE_HW, MAX_SIZE_HW, strict=True):
        if not low <= size <= high:
            raise DatasetError(f"the {name} is {size} pixels: give one from {low} to {high}")


def _claim(root: Path, size_hw: tuple[int, int], seed: int) -> None:
    """Mark `root` as a sample, or find that it is just this one."""
    if root.exists() and not root.is_dir():
        raise DatasetError(f"{root} is a file: name a folder for the sample")
    marker = root / MARKER
    wanted = {"version": _VERSION, "seed": seed, "height": size_hw[0], "width": size_hw[1]}
    if marker.exists():
        found = _read_marker(marker)
        if found != wanted:
            raise DatasetError(
                f"{root} holds a sample with {_describe(found)}, not {_describe(wanted)}: "
                f"name another folder, or remove that one first"
            )
        return
    for folder in (IMAGES, ANNOTATIONS):
        if (root / folder).exists():
            raise DatasetError(
                f"{root} already has a folder {folder} that is no sample: name another folder"
            )
    root.mkdir(parents=True, exist_ok=True)
    write_json(marker, wanted)


def _read_marker(marker: Path) -> dict[str, Any]:
    try:
        found = json.loads(marker.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DatasetError(f"{marker} is damaged: remove its folder, or name another one")
    return found


def _describe(sample: Mapping[str, Any]) -> str:
    return (
        f"{sample.get('height')}×{sample.get('width')} pixels, seed {sample.get('seed')} "
        f"(version {sample.get('version')})"
    )


def _write_frame(root: Path, split: str, index: int, size_hw: tuple[int, int], seed: int) -> None:
    """Write those of a frame's files that are not there."""
    paths = _paths(root, split, index)
    if not (missing := [path for path in paths if not _is_written(path)]):
        return
    picture, polygons = render(split, index, size_hw, seed)
    if split == "test":
        polygons = blank_annotation(split, index, size_hw)
    polygons = _visible(polygons, size_hw)
    maps = draw_maps(polygons, size_hw)
    content: tuple[Callable[[], bytes], ...] = (
        lambda: _png(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)),
        lambda: _png(maps.label_ids),
        lambda: _png(maps.instance_ids),
        lambda: _png(cv2.cvtColor(maps.color, cv2.COLOR_RGBA2BGRA)),
        lambda: _polygons_json(polygons, size_hw),
    )
    for path, encode in zip(paths, content, strict=True):
        if path in missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, durable=False) as file:
                file.write(encode())


def _paths(root: Path, split: str, index: int) -> tuple[Path, ...]:
    """A frame's files: picture, label ids, instance ids, colours, polygons."""
    city, sequence = place_of(split, index)
    stem = f"{city}_{sequence:06d}_{_FRAME_NUMBER:06d}"
    image = root / IMAGES / split / city / f"{stem}_{IMAGES}.png"
    annotation = root / ANNOTATIONS / split / city / f"{stem}_{ANNOTATIONS}"
    endings = ("labelIds.png", "instanceIds.png", "color.png", "polygons.json")
    return image, *(annotation.with_name(f"{annotation.name}_{ending}") for ending in endings)


def _is_written(path: Path) -> bool:
    """Whether a file is there; a power cut may have left it empty."""
    return path.is_file() and path.stat().st_size > 0


def _png(pixels: npt.NDArray[Any]) -> bytes:
    encoded, content = cv2.imencode(".png", pixels)
    if not encoded:
        raise DatasetError("OpenCV cannot encode a PNG here: check how it was installed")
    return content.tobytes()


def _polygons_json(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> bytes:
    annotation = {
        "imgHeight": size_hw[0],
        "imgWidth": size_hw[1],
        "objects": [{"label": label, "polygon": outline} for label, outline in polygons],
    }
    return json.dumps(annotation).encode() + b"\n"
