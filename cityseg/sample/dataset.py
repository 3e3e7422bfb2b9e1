"""Write a procedural city in the exact Cityscapes layout.

Besides the files that `cityseg.data.dataset` describes, each frame has the official `…_color.png`
and `…_polygons.json`, and the root has `sample.json`, which marks a sample and holds its size and
seed. A frame depends on seed, split, index and size only, so a sample can grow, and an interrupted
one is completed. As in the real dataset, the test split is annotated as void.

`cityseg.sample.scene` paints the pictures; their polygons become the four annotation files here,
by the rules of the official `json2labelImg` and `json2instanceImg`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array
from cityseg.data import ANNOTATIONS, IMAGES, draw_numbers
from cityseg.errors import DatasetError
from cityseg.labels import INSTANCES_PER_LABEL, LABEL_OF_NAME, Label, label_of
from cityseg.sample.scene import Polygon, blank_annotation, place_of, render
from cityseg.system import check_output_folder, read_model, replacing, write_json

#: The splits that a sample can have: those with fine annotations.
SPLITS: Final = ("train", "val", "test")
MARKER: Final = "sample.json"
MIN_SIZE_HW: Final = (32, 64)
MAX_SIZE_HW: Final = (1024, 2048)
#: Must be raised whenever the same seed gives other files. Until 1, the maps were drawn by the
#: rule of today's Pillow, so they differed from the polygons as `data.polygons` reads them.
_VERSION: Final = 2
#: Cityscapes annotates this one of the 30 frames of each sequence.
_FRAME_NUMBER: Final = 19


class Maps(NamedTuple):
    """The three maps that the official tools draw from polygons.

    `label_ids` is (H, W) uint8, `instance_ids` (H, W) uint16, `color` (H, W, 4) uint8 RGBA.
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
    """Write a sample dataset below `root`; `frames` is the number of frames of each split.

    Frames that a sample of the same size and seed already has are kept. `progress` is called with
    (frames done, total frames). Raises CitysegError, before anything is painted, if a number is
    out of bounds, or if `root` cannot be written or holds anything but such a sample.
    """
    _check_request(frames, size_hw, seed)
    try:
        _claim(root, size_hw, seed)
        wanted = [(split, index) for split in SPLITS for index in range(frames.get(split, 0))]
        _make_folders(path for frame in wanted for path in _missing(root, *frame))
        for done, frame in enumerate(wanted, 1):
            _write_frame(root, *frame, size_hw, seed)
            if progress:
                progress(done, len(wanted))
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be written ({error.strerror or error}): free some space or check the "
            "folder, and start again; finished frames are kept"
        ) from error


def paint_frame(
    split: str, index: int, size_hw: tuple[int, int] = (256, 512), seed: int = 0
) -> tuple[Uint8Array, Uint8Array]:
    """A frame of a sample without its files: (H, W, 3) uint8 RGB, and (H, W) uint8 label ids.

    Raises DatasetError if a number is out of bounds.
    """
    _check_request({split: 1}, size_hw, seed)
    picture, polygons = render(split, index, size_hw, seed)
    return picture, draw_maps(_visible(polygons, size_hw), size_hw).label_ids


def draw_maps(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> Maps:
    """Draw the three maps of an annotation; later polygons cover earlier ones."""
    numbers = _draw_numbers(polygons, size_hw, drawn=lambda label: label.id >= 0)
    unlabeled = LABEL_OF_NAME["unlabeled"]
    labels = [unlabeled, *(_label(polygon) for polygon in polygons)]
    # License plate is −1, which does not fit: it is never drawn, so its entry is not used.
    label_ids = np.array([max(label.id, 0) for label in labels], np.uint8)
    instance_ids = np.array([0, *_instance_ids(polygons)], np.uint16)
    color = np.array([(*label.color, 255) for label in labels], np.uint8)
    return Maps(label_ids[numbers], instance_ids[numbers], color[numbers])


def _draw_numbers(
    polygons: Sequence[Polygon], size_hw: tuple[int, int], drawn: Callable[[Label], bool]
) -> npt.NDArray[np.int32]:
    """(H, W) int32: the 1-based number of the topmost polygon at each pixel, 0 for none."""
    shown = [number for number, polygon in enumerate(polygons, 1) if drawn(_label(polygon))]
    outlines = [np.array(polygons[number - 1].outline) for number in shown]
    return np.array([0, *shown], np.int32)[draw_numbers(outlines, size_hw)]


def _label(polygon: Polygon) -> Label:
    label = label_of(polygon.label)
    assert label  # noqa: S101 - the scene draws labels of the table only
    return label


def _instance_ids(polygons: Sequence[Polygon]) -> Iterator[int]:
    """The official encoding: id × 1000 + n for the n-th instance of a label, else the id."""
    seen: Counter[str] = Counter()
    for polygon in polygons:
        label = _label(polygon)
        if label.has_instances and label.name == polygon.label:
            yield label.id * INSTANCES_PER_LABEL + seen[label.name]
            seen[label.name] += 1
        else:
            yield max(label.id, 0)


def _visible(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> list[Polygon]:
    """The polygons with a visible pixel: hidden objects are not annotated."""
    seen = set(np.unique(_draw_numbers(polygons, size_hw, drawn=lambda _: True)).tolist())
    return [polygon for number, polygon in enumerate(polygons, 1) if number in seen]


def _check_request(frames: Mapping[str, int], size_hw: tuple[int, int], seed: int) -> None:
    if unknown := [split for split in frames if split not in SPLITS]:
        raise DatasetError(
            f"There is no split {unknown[0]!r} in a sample: choose from {', '.join(SPLITS)}"
        )
    for split, count in frames.items():
        if count < 0:
            raise DatasetError(f"The number of {split} frames is {count}: give 0 or more")
    if not any(frames.values()):
        raise DatasetError("The sample would have no frames: give at least one split 1 or more")
    if seed < 0:
        raise DatasetError(f"The seed is {seed}: give 0 or more")
    names = ("height", "width")
    for name, size, low, high in zip(names, size_hw, MIN_SIZE_HW, MAX_SIZE_HW, strict=True):
        if not low <= size <= high:
            raise DatasetError(f"The {name} is {size} pixels: give {low} to {high}")


def _claim(root: Path, size_hw: tuple[int, int], seed: int) -> None:
    """Mark `root` as this sample; raises CitysegError if it is anything else or not writable."""
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
                f"{root} has a folder {folder} that is no sample: name another folder"
            )
    check_output_folder(root)
    root.mkdir(parents=True, exist_ok=True)
    write_json(marker, wanted)


def _read_marker(marker: Path) -> dict[str, Any]:
    remedy = "remove its folder, or name another folder"
    found = read_model(marker, dict[str, object], DatasetError, f"is damaged: {remedy}")
    if found is None:
        raise DatasetError(f"{marker} is a link that leads nowhere: {remedy}")
    return found


def _describe(sample: Mapping[str, Any]) -> str:
    return (
        f"{sample.get('height')}×{sample.get('width')} pixels, seed {sample.get('seed')} "
        f"(version {sample.get('version')})"
    )


def _write_frame(root: Path, split: str, index: int, size_hw: tuple[int, int], seed: int) -> None:
    """Write the missing files of a frame."""
    missing = _missing(root, split, index)
    if not missing:
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
    for path, encode in zip(_paths(root, split, index), content, strict=True):
        if path in missing:
            with replacing(path, durable=False) as file:
                file.write(encode())


def _make_folders(files: Iterable[Path]) -> None:
    """Create the folders of `files`; raises CitysegError if one of them cannot be written."""
    for folder in sorted({file.parent for file in files}):
        check_output_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)


def _missing(root: Path, split: str, index: int) -> list[Path]:
    """The files of a frame that do not exist, or are empty as a power cut may have left them."""
    return [
        path
        for path in _paths(root, split, index)
        if not (path.is_file() and path.stat().st_size > 0)
    ]


def _paths(root: Path, split: str, index: int) -> tuple[Path, ...]:
    """Paths of a frame: picture, label ids, instance ids, colours, polygons."""
    city, sequence = place_of(split, index)
    stem = f"{city}_{sequence:06d}_{_FRAME_NUMBER:06d}"
    image = root / IMAGES / split / city / f"{stem}_{IMAGES}.png"
    annotation = root / ANNOTATIONS / split / city / f"{stem}_{ANNOTATIONS}"
    endings = ("labelIds.png", "instanceIds.png", "color.png", "polygons.json")
    return image, *(annotation.with_name(f"{annotation.name}_{ending}") for ending in endings)


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
