"""Measure what the audit without a network finds: plant faults of structure into a sample city.

Islands of a label where it does not belong, instance ids and polygons that disagree with the label
map, and copies of frames in the other split, exact and nearly so. Reported is, for each reason, the
largest share of its faults that is found where nine of ten findings are right, and how many of all
its findings are. An island may also be found by its place or its neighbours.

A finding is right if half of its box lies in that of a planted fault. All others count as wrong,
so the islands that the sample has by nature, such as a fence seen through a bicycle, do as well.
With --any-pair islands are of any class in any other: many of these are natural, as a traffic light
before a building is, and cannot be known from the labels alone.

Example: python scripts/bench_audit.py --frames 120
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import bootstrap

LEAST_PRECISION: Final = 0.9
_HEIGHT, _WIDTH = 256, 512
#: Label ids: what the islands lie in, and what they are.
_SURFACES: Final[Mapping[str, Sequence[str]]] = {
    "road": ("sky", "building"),
    "sky": ("road", "car"),
    "building": ("road",),
}
_RADIUS: Final = 5
#: A region has one reason: what lies where it never does may be found as that.
_REASONS: Final = {"island": ("place", "neighbours", "island")}


class Fault(NamedTuple):
    """A fault in a frame; `box` (top, left, bottom, right) is None where the frame is at fault."""

    reason: str
    frame: str
    box: tuple[int, ...] | None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=120, help="Frames of each split [120]")
    parser.add_argument("--faults", type=int, default=20, help="Faults of each reason [20]")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the city and the faults [0]")
    parser.add_argument("--any-pair", action="store_true", help="Islands of any class in any other")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "city"
        counts = {"train": options.frames, "val": options.frames}
        make_sample(root, frames=counts, size_hw=(_HEIGHT, _WIDTH), seed=options.seed)
        pairs = any_pair() if options.any_pair else _SURFACES
        rng = np.random.default_rng(options.seed)
        faults = list(plant_faults(root, options.faults, rng, pairs))
        findings = audit_dataset(root, splits=("train", "val")).findings
        for reason in dict.fromkeys(fault.reason for fault in faults):
            print(report(reason, faults, findings))


#: Names of labels: in what an island lies, and what it may be.
Pairs = Mapping[str, Sequence[str]]


def any_pair() -> Pairs:
    names = [label.name for label in TRAIN_LABELS]
    return {around: [name for name in names if name != around] for around in names}


def plant_faults(
    root: Path, count: int, rng: np.random.Generator, pairs: Pairs = _SURFACES
) -> Iterator[Fault]:
    """Change files below `root`: `count` faults of each reason, in frames of their own."""
    frames = find_frames(root, ["train", "val"])
    order = iter([frames[place] for place in rng.permutation(len(frames))])
    island = partial(plant_island, pairs)
    for plant in (island, plant_instances, plant_polygons, plant_copy, plant_near_copy):
        for _ in range(count):
            fault = None
            while fault is None:
                if (frame := next(order, None)) is None:
                    sys.exit("There are too few frames for so many faults: name more --frames")
                fault = plant(root, frame, rng)
            yield fault


def plant_island(pairs: Pairs, root: Path, frame: Frame, rng: np.random.Generator) -> Fault | None:
    """A disc of another label deep inside a surface; the frame loses its other annotations."""
    label_ids = read_label_ids(_path(frame.label_ids)).copy()
    around = str(rng.choice([*pairs]))
    label = LABEL_OF_NAME[str(rng.choice(pairs[around]))].id
    inside = (label_ids == LABEL_OF_NAME[around].id).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(inside, 1, 1, 1, 1, 0), cv2.DIST_L2, 5)
    rows, columns = np.nonzero(depth[1:-1, 1:-1] > 2 * _RADIUS)
    if not rows.size:
        return None
    place = int(rng.integers(rows.size))
    y, x = int(rows[place]), int(columns[place])
    cv2.circle(label_ids, (x, y), _RADIUS, label, -1)
    _path(frame.label_ids).write_bytes(png.encode_grey(label_ids))
    for path in (frame.instance_ids, frame.polygons):
        _path(path).unlink()
    box = y - _RADIUS, x - _RADIUS, y + _RADIUS + 1, x + _RADIUS + 1
    return Fault("island", frame.name, box)


def plant_instances(root: Path, frame: Frame, rng: np.random.Generator) -> Fault | None:
    """An instance whose ids are of another label."""
    path = _path(frame.instance_ids)
    instances = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert instances is not None  # noqa: S101
    found, pixels = np.unique(instances, return_counts=True)
    chosen = found[(found >= INSTANCES_PER_LABEL) & (pixels >= 30)]
    if not chosen.size:
        return None
    mask = instances == int(rng.choice(chosen))
    other = "bus" if instances[mask][0] // INSTANCES_PER_LABEL != LABEL_OF_NAME["bus"].id else "car"
    instances[mask] = LABEL_OF_NAME[other].id * INSTANCES_PER_LABEL
    cv2.imwrite(str(path), instances)
    return Fault("instances", frame.name, _box(mask))


def plant_polygons(root: Path, frame: Frame, rng: np.random.Generator) -> Fault | None:
    """A polygon that is missing, of 50 visible pixels or more."""
    path = _path(frame.polygons)
    content = json.loads(path.read_text())
    before = read_label_ids(path)
    del content["objects"][int(rng.integers(len(content["objects"])))]
    original = path.read_bytes()
    path.write_text(json.dumps(content))
    mask = read_label_ids(path) != before
    if np.count_nonzero(mask) < 50:
        path.write_bytes(original)
        return None
    return Fault("polygons", frame.name, _box(mask))


def plant_copy(root: Path, frame: Frame, rng: np.random.Generator) -> Fault | None:
    """The frame once more in the other split."""
    return Fault("exact_copy", _copied(root, frame, lambda rgb: rgb), None)


def plant_near_copy(root: Path, frame: Frame, rng: np.random.Generator) -> Fault | None:
    """The frame in the other split a bit brighter, with noise of a camera."""
    noise = rng.normal(6, 3, (_HEIGHT, _WIDTH, 3))
    name = _copied(root, frame, lambda rgb: np.clip(rgb + noise, 0, 255).astype(np.uint8))
    return Fault("near_duplicate", name, None)


def _copied(root: Path, frame: Frame, change: Callable[[Uint8Array], Any]) -> str:
    split = "val" if frame.split == "train" else "train"
    stem = f"copy_{int(frame.stem.split('_')[1]):06}_{len(list(root.rglob('copy_*'))):06}"
    image = root / IMAGES / split / "copy" / f"{stem}_{IMAGES}.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    source = _path(frame.image)
    rgb = read_image(source)
    changed = change(rgb)
    if changed is rgb:
        image.write_bytes(source.read_bytes())
    else:
        cv2.imwrite(str(image), changed[..., ::-1])
    return f"{split}/copy/{stem}"


def _path(path: Path | None) -> Path:
    assert path  # noqa: S101
    return path


def _box(mask: BoolArray) -> tuple[int, ...]:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return y, x, y + height, x + width


def report(reason: str, faults: Sequence[Fault], findings: Sequence[Finding]) -> str:
    """The figures of a reason: of two copies, either may be named."""
    own = [fault for fault in faults if fault.reason == reason]
    seen: set[int] = set()
    right, best, total = 0, 0.0, 0
    for finding in (each for each in findings if each.reason in _REASONS.get(reason, (reason,))):
        total += 1
        hit = {number for number, fault in enumerate(own) if _is_of(finding, fault)}
        right += bool(hit)
        seen |= hit
        if right >= LEAST_PRECISION * total:
            best = len(seen) / len(own)
    recall = f"recall {best:.2f} at precision ≥ {LEAST_PRECISION}"
    return f"{reason:15} {recall}; {right} of {total} findings right"


def _is_of(finding: Finding, fault: Fault) -> bool:
    if fault.box is None:
        return fault.frame in (finding.frame, finding.other)
    top, left, bottom, right = finding.box
    y, x, y_end, x_end = fault.box
    shared = (max(0, min(bottom, y_end) - max(top, y)), max(0, min(right, x_end) - max(left, x)))
    is_half = 2 * shared[0] * shared[1] >= (bottom - top) * (right - left)
    return finding.frame == fault.frame and is_half


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    import json
    from collections.abc import Callable
    from functools import partial
    from typing import Any

    import cv2
    import numpy as np

    from cityseg.arrays import BoolArray, Uint8Array
    from cityseg.data import IMAGES, Frame, find_frames, png, read_image, read_label_ids
    from cityseg.labels import INSTANCES_PER_LABEL, LABEL_OF_NAME, TRAIN_LABELS
    from cityseg.review import Finding, audit_dataset
    from cityseg.sample import make_sample

    main()
