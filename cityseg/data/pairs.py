"""Unpack pairs into the official layout.

"Cityscapes image pairs" are JPEG files of 512×256 pixels, the picture on the left and its colour
map on the right, both squeezed to a square:

    train/1.jpg … train/2975.jpg
    val/1.jpg … val/500.jpg

Number k is the k-th name of the sorted official list. Where the numbers are not exactly these,
that cannot be relied on, and the frames are called `pairs_000000_<number>`.
"""

import hashlib
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import cv2
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data.images import MAX_BYTES, decode_frame
from cityseg.data.layouts import ANNOTATIONS, IMAGES
from cityseg.data.official_names import official_stems
from cityseg.data.pair_labels import is_color_map, recover_labels
from cityseg.errors import DatasetError, ImageError, Skipped
from cityseg.system import (
    ProgressCallback,
    check_output_folder,
    map_in_threads,
    read_json,
    replacing,
    write_json,
)

#: Marks a dataset that was unpacked from pairs, and holds how.
PAIRS_MARKER: Final = "pairs.json"
PAIR_SPLITS: Final = ("train", "val")
#: What happens to pixels whose label is unsure: they become unlabeled, or keep the best guess.
Unsure = Literal["best", "void"]
_NUMBERED: Final = re.compile(r"(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
#: Must be raised whenever the same pairs give other labels.
_VERSION: Final = 1
_CITY: Final = "pairs"
#: Recovering labels takes 120 bytes a pixel.
_MAX_HEIGHT: Final = 1024


class Pair(NamedTuple):
    """A pair's file, and the frame that it becomes."""

    path: Path
    split: str
    stem: str

    def outputs(self, root: Path) -> tuple[Path, Path]:
        """The frame's image and label map in the dataset `root`."""
        below = Path(self.split, self.stem.partition("_")[0])
        return (
            root / IMAGES / below / f"{self.stem}_{IMAGES}.png",
            root / ANNOTATIONS / below / f"{self.stem}_{ANNOTATIONS}_labelIds.png",
        )


@dataclass(frozen=True, slots=True)
class FoundPairs:
    """The pairs in a folder.

    `official` holds the splits whose frames have their official names, `doubles` has an entry for
    each file with the number of another one, and `ignored` is the number of all other files.
    """

    pairs: list[Pair]
    official: list[str]
    doubles: list[Skipped]
    ignored: int


@dataclass(frozen=True, slots=True)
class PairsReport:
    """The outcome of `unpack_pairs`: pairs = unpacked + already there + skipped."""

    found: FoundPairs
    unpacked: int
    already_there: int
    skipped: list[Skipped]

    @property
    def reasons(self) -> dict[str, int]:
        """Number of skipped pairs by reason, most frequent first."""
        return dict(Counter(skipped.reason for skipped in self.skipped).most_common())


def unpack_pairs(
    folder: Path,
    root: Path,
    *,
    unsure: Unsure = "best",
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> PairsReport:
    """Write the pairs in `folder` as a dataset below `root`.

    Frames that are there are kept, so an interrupted call is completed by the next one. `progress`
    is called with (pairs done, total pairs). Raises DatasetError, before anything is written, if
    `folder` holds no pairs, or if `root` cannot be written or holds anything but these pairs.
    """
    found = find_pairs(folder)
    try:
        _claim(root, folder, found, unsure)
        outcomes = []
        unpack = partial(_unpack, root=root, unsure=unsure)
        for outcome in map_in_threads(unpack, found.pairs, workers):
            outcomes.append(outcome)
            if progress:
                progress(len(outcomes), len(found.pairs))
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be written ({error.strerror or error}): free some space or check the "
            "folder, and start again; finished frames are kept"
        ) from error
    skipped = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
    return PairsReport(found, outcomes.count(True), outcomes.count(False), found.doubles + skipped)


def find_pairs(folder: Path) -> FoundPairs:
    """List the pairs in `folder`, or up to two levels deeper, sorted by split and number.

    Raises DatasetError if there are none, or a folder cannot be read.
    """
    found = FoundPairs([], [], [], 0)
    try:
        for split in PAIR_SPLITS:
            found = _add_split(found, split, next(_split_folders(folder, split), None))
    except OSError as error:
        raise DatasetError(
            f"The folder {error.filename} cannot be read ({error.strerror}): name the folder with "
            "train and val, which hold 1.jpg, 2.jpg and so on"
        ) from error
    if not found.pairs:
        raise DatasetError(
            f"{folder} has no pairs (train/1.jpg, val/1.jpg and so on), and neither have the "
            "folders in it: name the folder with train and val"
        )
    return found


def recognised_pairs(folder: Path) -> FoundPairs | None:
    """The pairs in `folder` as `find_pairs` lists them; None if there are none.

    Other pictures may have numbers for names, so one of the first five must be a pair indeed.
    """
    try:
        found = find_pairs(folder)
    except DatasetError:
        return None
    firsts = (_read(pair.path) for pair in found.pairs[:5])
    return found if any(not isinstance(pixels, Skipped) for pixels in firsts) else None


def pairs_message(folder: Path) -> str:
    """Say that `folder` holds pairs, and the command that makes frames of them; "" if it does not.

    The dataset is made beside `folder`, which stays as it is.
    """
    found = recognised_pairs(folder)
    if not found:
        return ""
    folder = folder.absolute()
    command = ("python", "-m", "cityseg", "pairs", folder, "--data", dataset_beside(folder))
    return (
        f"{folder} holds {len(found.pairs):,} pairs of a picture and its colour map, such as "
        f"{found.pairs[0].path.relative_to(folder)}: recover their labels with "
        f"{shlex.join(map(str, command))}"
    )


def dataset_beside(folder: Path) -> Path:
    """Where the dataset of the pairs in `folder` is made, if nobody names another place."""
    return folder.with_name(f"{folder.name}_dataset")


def _add_split(found: FoundPairs, split: str, folder: Path | None) -> FoundPairs:
    """`found` with the pairs in the folder of a split."""
    files = sorted(_files(folder))
    numbered: dict[int, Path] = {}
    doubles = list(found.doubles)
    for path in files:
        if match := _NUMBERED.fullmatch(path.name):
            first = numbered.setdefault(int(match[1]), path)
            if first != path:
                doubles.append(Skipped("same_number", f"{path} has the number of {first.name}"))
    stems = official_stems(split)
    is_official = set(numbered) == set(range(1, len(stems) + 1))
    pairs = [
        Pair(path, split, stems[n - 1] if is_official else f"{_CITY}_000000_{n:06d}")
        for n, path in sorted(numbered.items())
    ]
    return FoundPairs(
        found.pairs + pairs,
        found.official + [split] * is_official,
        doubles,
        found.ignored + sum(not _NUMBERED.fullmatch(path.name) for path in files),
    )


def _split_folders(folder: Path, split: str) -> Iterator[Path]:
    """Folders called `split` that hold a numbered picture, the least deep first."""
    level = [folder]
    for _ in range(3):
        for parent in level:
            if any(_NUMBERED.fullmatch(path.name) for path in _files(parent / split)):
                yield parent / split
        level = [child for parent in level for child in _visible(parent) if child.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files(folder: Path | None) -> list[Path]:
    """The visible files in `folder`; none if it is no folder."""
    if folder is None or not folder.is_dir():
        return []
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    return [Path(entry.path) for entry in entries if not entry.is_dir()]


def _claim(root: Path, folder: Path, found: FoundPairs, unsure: Unsure) -> None:
    """Mark `root` as the dataset of these pairs, and create the folders of its frames."""
    wanted: dict[str, Any] = {
        "version": _VERSION,
        "source": str(folder.resolve()),
        "pairs": _digest(found.pairs),
        "unsure": unsure,
        "official_names": found.official,
    }
    marker = root / PAIRS_MARKER
    if marker.exists():
        held = read_json(marker)
        changed = {key for key in wanted if held.get(key) != wanted[key]}
        # The same pairs may have been moved, and where they are some may have been added.
        if not changed < {"source", "pairs"}:
            shown = [f"{key} {held.get(key)!r}" for key in wanted if key in changed - {"pairs"}]
            raise DatasetError(
                f"{root} was unpacked from other pairs or in another way ({', '.join(shown)}): "
                "name another folder, or remove that one first"
            )
    elif taken := [name for name in (IMAGES, ANNOTATIONS) if (root / name).exists()]:
        raise DatasetError(
            f"{root} has a folder {taken[0]} that was not unpacked from pairs: name another folder"
        )
    folders = {path.parent for pair in found.pairs for path in pair.outputs(root)}
    for each in (root, *sorted(folders)):
        check_output_folder(each)
        each.mkdir(parents=True, exist_ok=True)
    write_json(marker, wanted)


def _digest(pairs: Sequence[Pair]) -> str:
    """Stands for the numbers and sizes of the files of pairs, wherever they lie."""
    sizes = (each.path.stat().st_size if each.path.is_file() else None for each in pairs)
    content = [(*each[1:], size) for each, size in zip(pairs, sizes, strict=True)]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()


def _unpack(pair: Pair, root: Path, unsure: Unsure) -> bool | Skipped:
    """Write the frame of a pair; false if it was there. Raises OSError if it cannot be written."""
    image, annotation = pair.outputs(root)
    if all(path.is_file() and path.stat().st_size for path in (image, annotation)):
        return False
    pixels = _read(pair.path)
    if isinstance(pixels, Skipped):
        return pixels
    picture, colors = np.split(pixels, 2, axis=1)
    labels = recover_labels(colors)
    label_ids = labels.label_ids
    if unsure == "void":
        label_ids = np.where(labels.unsure, np.uint8(0), label_ids)
    _write_png(image, picture[..., ::-1])
    _write_png(annotation, label_ids)
    return True


def _read(path: Path) -> Uint8Array | Skipped:
    """(H, 2·H, 3) uint8 RGB."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return Skipped("unreadable", f"{path} is no file of a picture: remove it")
        pixels = decode_frame(path.read_bytes(), path)
    except OSError as error:
        return Skipped("unreadable", f"{path} cannot be read ({error.strerror}): check the file")
    except ImageError as error:
        return Skipped("damaged", str(error))
    height, width = pixels.shape[:2]
    if width != 2 * height or height > _MAX_HEIGHT:
        found = f"{path} has {width}×{height} pixels"
        return Skipped(
            "wrong_size",
            f"{found}: a pair is twice as wide as high, at most {2 * _MAX_HEIGHT}×{_MAX_HEIGHT}",
        )
    if not is_color_map(pixels[:, height:]):
        return Skipped(
            "no_color_map", f"{path} has no map in the colours of Cityscapes in its right half"
        )
    return pixels


def _write_png(path: Path, pixels: Uint8Array) -> None:
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(pixels))
    assert encoded  # noqa: S101 - 8-bit pixels in memory always are
    with replacing(path, durable=False) as file:
        file.write(content.tobytes())
