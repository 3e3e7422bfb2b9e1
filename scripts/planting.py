"""Plant known errors into the labels of a dataset: a copy of its annotations with wrong ones.

Errors are of five kinds, each of an object, which is a connected region of a class:

swapped   the whole object has another class, half the time one of its category
missing   the object is gone: its pixels have the labels next to them
merged    the object has the class of the object beside it, and so has the gap between them
shifted   the outline lies a quarter of the object's size or more aside
area      a large area, such as road or sky, has another class of that sort
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from cityseg.arrays import BoolArray, Uint8Array, as_uint8
from cityseg.data import ANNOTATIONS, IMAGES, Frame, Reading, find_frames, png, reading_of
from cityseg.evaluation import enlarged, picture_paths
from cityseg.labels import IGNORE, LABEL_ID_OF_TRAIN_ID, TRAIN_ID_OF_LABEL_ID, TRAIN_LABELS
from cityseg.metrics import Components, connected_components
from cityseg.review import Finding, Region, region_of

KINDS: Final = ("swapped", "missing", "merged", "shifted", "area")
#: Pixels of the smallest object, and the share of the frame of the smallest area.
LEAST_PIXELS: Final = 100
LEAST_AREA: Final = 0.01
_OBJECTS: Final = ("human", "vehicle", "object")
_GAP: Final = 4  # pixels between neighbours
_TRAIN_IDS: Final = {
    is_object: [
        label.train_id for label in TRAIN_LABELS if (label.category in _OBJECTS) == is_object
    ]
    for is_object in (True, False)
}


class Planted(NamedTuple):
    """An error in a frame: `mask` (H, W) bool are the pixels whose label was changed."""

    frame: str
    kind: str
    truth: int
    label: int
    mask: BoolArray


class _Object(NamedTuple):
    """An object in the frame with that number; `box` as in `Components`."""

    frame: int
    train_id: int
    box: tuple[int, ...]
    pixels: int
    is_area: bool


def plant(
    root: Path, out: Path, split: str, share: float, seed: int, kinds: Sequence[str] = KINDS
) -> tuple[list[Planted], int]:
    """Copy the label maps of `split` below `root` to `out`, errors in a `share` of their objects.

    The pictures are linked. Each of `kinds` has as many errors, as far as there are objects for
    it. Returns the errors and the number of objects.
    """
    frames = [each for each in find_frames(root, [split]) if each.label_ids]
    reading = reading_of(frames, root / "masks")
    rng = np.random.default_rng(seed)
    maps = [_train_ids(frame, reading) for frame in frames]
    taken = [np.zeros(ids.shape, np.bool_) for ids in maps]
    objects = [each for number, ids in enumerate(maps) for each in _objects(number, ids)]
    each_kind = max(1, round(share * len(objects) / len(kinds)))
    planted: list[Planted] = []
    for kind in kinds:
        found = 0
        for place in rng.permutation(len(objects)).tolist():
            chosen = objects[place]
            if chosen.is_area != (kind == "area") or not _is_suitable(chosen):
                continue
            frame = chosen.frame
            error = _plant_one(kind, maps[frame], chosen, taken[frame], rng)
            if error is None:
                continue
            maps[frame], label, mask = error
            taken[frame] |= _grown(mask, _GAP)
            planted.append(Planted(frames[frame].name, kind, chosen.train_id, label, mask))
            found += 1
            if found == each_kind:
                break
    for frame, ids, changed in zip(frames, maps, taken, strict=True):
        _write(out, frame, _with_changes(frame, reading, ids, changed))
    if not (out / IMAGES).exists():
        (out / IMAGES).symlink_to((root / IMAGES).resolve())
    return planted, len(objects)


def _is_suitable(chosen: _Object) -> bool:
    return chosen.is_area or chosen.train_id in _TRAIN_IDS[True]


def _with_changes(
    frame: Frame, reading: Reading, ids: Uint8Array, changed: BoolArray
) -> Uint8Array:
    """The frame's label ids with the classes of `ids` where `changed`; other labels stay."""
    assert frame.label_ids  # noqa: S101
    label_ids = reading.label_ids(frame.label_ids).copy()
    new = changed & (ids != IGNORE)
    label_ids[new] = LABEL_ID_OF_TRAIN_ID[ids[new]]
    return label_ids


def _train_ids(frame: Frame, reading: Reading) -> Uint8Array:
    assert frame.label_ids  # noqa: S101
    return as_uint8(cv2.LUT(reading.label_ids(frame.label_ids), TRAIN_ID_OF_LABEL_ID))


def _objects(frame: int, ids: Uint8Array) -> list[_Object]:
    """The objects of a frame of at least LEAST_PIXELS."""
    components = connected_components(ids)
    numbers = np.flatnonzero(components.pixels >= LEAST_PIXELS)
    values, pixels = components.values.tolist(), components.pixels.tolist()
    return [
        _Object(
            frame,
            values[number],
            tuple(components.boxes[number].tolist()),
            pixels[number],
            pixels[number] >= LEAST_AREA * ids.size and values[number] in _TRAIN_IDS[False],
        )
        for number in numbers.tolist()
        if number
    ]


def _plant_one(
    kind: str, ids: Uint8Array, chosen: _Object, taken: BoolArray, rng: np.random.Generator
) -> tuple[Uint8Array, int, BoolArray] | None:
    """The map with an error of `kind` in an object, its new class, and the pixels that changed.

    None if the object allows none, or too little would change, or pixels in `taken` would.
    """
    top, left, bottom, right = chosen.box
    mask = np.zeros(ids.shape, np.bool_)
    components = connected_components(ids[top:bottom, left:right])
    mask[top:bottom, left:right] = components.ids == _number_in(components, chosen)
    if not mask.any():  # an earlier error has changed it
        return None
    if kind == "swapped":
        changed, label = _filled(ids, mask, _other_class(chosen.train_id, rng))
    elif kind == "area":
        others = [each for each in _TRAIN_IDS[False] if each != chosen.train_id]
        changed, label = _filled(ids, mask, int(rng.choice(others)))
    elif kind == "missing":
        changed, label = _without(ids, mask, chosen.train_id)
    elif kind == "merged":
        changed, label = _merged(ids, mask, chosen.train_id)
    else:
        changed, label = _shifted(ids, mask, chosen, rng)
    differs = changed != ids
    if np.count_nonzero(differs) < LEAST_PIXELS or (differs & taken).any():
        return None
    return changed, label, differs


def _number_in(components: Components, chosen: _Object) -> int:
    same = np.flatnonzero(
        (components.values == chosen.train_id) & (components.pixels == chosen.pixels)
    )
    return int(same[0]) if same.size else -1


def _other_class(train_id: int, rng: np.random.Generator) -> int:
    """One of its category half the time, any other else."""
    category = TRAIN_LABELS[train_id].category
    others = [label for label in TRAIN_LABELS if label.train_id != train_id]
    near = [label for label in others if label.category == category]
    chosen = near if near and rng.random() < 0.5 else others
    return chosen[int(rng.integers(len(chosen)))].train_id


def _filled(ids: Uint8Array, mask: BoolArray, label: int) -> tuple[Uint8Array, int]:
    changed = ids.copy()
    changed[mask] = label
    return changed, label


def _without(ids: Uint8Array, mask: BoolArray, train_id: int) -> tuple[Uint8Array, int]:
    """Each pixel of the object has the label of the nearest pixel of another class."""
    hidden = mask | (ids == IGNORE) | (ids == train_id)
    if hidden.all():
        return ids, train_id
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label_of = np.zeros(int(nearest.max()) + 1, np.uint8)
    label_of[nearest[~hidden]] = ids[~hidden]
    changed = ids.copy()
    changed[mask] = label_of[nearest[mask]]
    return changed, int(np.bincount(changed[mask]).argmax())


def _merged(ids: Uint8Array, mask: BoolArray, train_id: int) -> tuple[Uint8Array, int]:
    """The object and its gap to the neighbour have the neighbour's class: an object's as well."""
    around = _grown(mask, _GAP) & ~mask
    counts = np.bincount(ids[around], minlength=IGNORE + 1)
    counts[[train_id, IGNORE, *_TRAIN_IDS[False]]] = 0
    label = int(counts.argmax())
    if counts[label] < _GAP:
        return ids, train_id
    neighbour = ids == label
    gap = _grown(mask, _GAP) & _grown(neighbour, _GAP) & (ids == IGNORE)
    return _filled(ids, mask | gap, label)


def _grown(mask: BoolArray, pixels: int) -> BoolArray:
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return as_uint8(cv2.dilate(mask.astype(np.uint8), square)) > 0


def _shifted(
    ids: Uint8Array, mask: BoolArray, chosen: _Object, rng: np.random.Generator
) -> tuple[Uint8Array, int]:
    """Moved by a quarter to a half of its size, in a random direction."""
    top, left, bottom, right = chosen.box
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.5)
    across = round(float(np.cos(angle) * far * (right - left)))
    down = round(float(np.sin(angle) * far * (bottom - top)))
    shift = np.array([[1, 0, across], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(mask.astype(np.uint8), shift, mask.shape[::-1], flags=cv2.INTER_NEAREST)
    changed, _ = _without(ids, mask, chosen.train_id)
    return _filled(changed, as_uint8(moved) > 0, chosen.train_id)


def _write(out: Path, frame: Frame, label_ids: Uint8Array) -> None:
    folder = out / ANNOTATIONS / frame.split / frame.city
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{frame.stem}_{ANNOTATIONS}_labelIds.png"
    content = png.encode_grey(label_ids)
    if not path.exists() or path.read_bytes() != content:  # else what was made of it stays valid
        path.write_bytes(content)


class LabelMaps:
    """The label maps of a split of which findings are regions: of the truth, and of networks.

    The pictures of the networks are in `folders` of evidence.
    """

    def __init__(self, data: Path, folders: Sequence[Path], split: str) -> None:
        frames = find_frames(data, [split])
        self._reading = reading_of(frames, data / "masks")
        self._frames = {frame.name: frame for frame in frames}
        self._folders = folders
        self.truth = cache(self._truth)

    def _truth(self, name: str) -> Uint8Array:
        return _train_ids(self._frames[name], self._reading)

    def region(self, finding: Finding) -> Region:
        """The pixels of a finding, those of a network without what the truth ignores."""
        truth = self.truth(finding.frame)
        if finding.side == "truth":
            return region_of(finding, truth)
        paths = (picture_paths(folder, finding.frame)[0] for folder in self._folders)
        coarse = png.decode_grey(next(path for path in paths if path.exists()).read_bytes())
        seen = np.where(truth == IGNORE, truth, enlarged(coarse, truth.shape))
        return region_of(finding, seen)


def errors_found(
    regions: Sequence[tuple[str, int, int, BoolArray]],
    planted: Sequence[Planted],
    truth: Callable[[str], Uint8Array],
) -> list[int]:
    """For each region, its frame, corner and mask: the error on which half of it lies, or -1.

    `truth` returns the (H, W) uint8 train ids of a frame; ignored pixels do not count.
    """
    by_frame: dict[str, list[int]] = defaultdict(list)
    for number, error in enumerate(planted):
        by_frame[error.frame].append(number)
    found = []
    for frame, top, left, mask in regions:
        window = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
        own = mask & (truth(frame)[window] != IGNORE) if by_frame[frame] else mask
        shares = {
            number: np.count_nonzero(planted[number].mask[window] & own)
            for number in by_frame[frame]
        }
        best = max(shares, key=lambda number: shares[number], default=-1)
        is_hit = best >= 0 and 0 < np.count_nonzero(own) <= 2 * shares[best]
        found.append(best if is_hit else -1)
    return found
