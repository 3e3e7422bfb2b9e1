"""Measure how well wrong labels are found: plant known errors, rank, count what comes first.

The label maps of a dataset are copied with errors of five kinds in 2–5 % of their objects (see
planting.py); the dataset itself stays as it is. Evidence of networks that have not learned from
these frames is collected on the copy, and its regions are ranked. Reported are

precision@k   of the first k findings, the share that lies at least half on a planted error that
              none before has found; in brackets, that others have found as well
recall        of the errors of each kind, the share that the first k find
hours         to find half of the errors: by the ranking, and in random order over all objects

and the same of cleanlab's segmentation module, and of frames in the order of their loss. Errors
that the labels had before count as false alarms, of all of them alike.

Example: python scripts/bench_review.py --data /data/cityscapes --network box --split val
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import bootstrap

DEPTHS: Final = (50, 100, 200)
#: A verdict with one key, the look at the region included.
SECONDS_A_REGION: Final = 6
_SAMPLE_FRAMES: Final = 60


class Found(NamedTuple):
    """A queue: for each place, the number of the error that it finds, or -1."""

    name: str
    errors: list[int]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        data = options.data or _sample_city(work / "city")
        planted, objects = plant(
            data, work / "planted", options.split, options.share, options.seed, options.kinds
        )
        counts = Counter(error.kind for error in planted)
        print(f"{len(planted)} errors in {objects:,} objects of {data}: {dict(counts)}\n")
        queue = _our_queue(work, options, planted)
        _report(queue, planted, objects)
        if not options.no_cleanlab:
            _compare(work, options, planted, objects)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, help="Dataset with good labels [a sample city]")
    add("--network", nargs="+", default=["box"], help="box, runs or weights files [box]")
    add("--split", default="val", help="Split whose labels are judged [val]")
    add("--share", type=float, default=0.05, help="Share of the objects with an error [0.05]")
    add("--kinds", nargs="+", default=list(KINDS), choices=KINDS, help="Errors to plant [all]")
    add("--seed", type=int, default=0, help="Seed of the errors [0]")
    add("--work", type=Path, help="Folder for the copy and the evidence [a temporary one]")
    add("--no-cleanlab", action="store_true", help="Leave out cleanlab and the loss")
    return parser.parse_args()


def _sample_city(root: Path) -> Path:
    make_sample(root, frames={"val": _SAMPLE_FRAMES}, size_hw=(256, 512))
    return root


# --- queues ----------------------------------------------------------------------------------


def _our_queue(work: Path, options: argparse.Namespace, planted: list[Planted]) -> Found:
    data = work / "planted"
    folders = []
    for number, network in enumerate(options.network):
        out = work / "evidence" / str(number)
        found = collect_evidence(network, data, out, split=options.split)
        folders.append(found.folder)
    begin = time.perf_counter()
    findings = suspicious_regions(folders).findings
    seconds = time.perf_counter() - begin
    frames = sum(len(load_evidence(folder).store.names) for folder in folders)
    print(f"{frames:,} frames of evidence ranked in {seconds:.1f} s: {len(findings):,} findings")
    maps = LabelMaps(data, folders, options.split)
    regions = [(each.frame, maps.region(each)) for each in findings]
    masks = [(frame, region.top, region.left, region.mask()) for frame, region in regions]
    return Found("cityseg", errors_found(masks, planted, maps.truth))


# --- figures ---------------------------------------------------------------------------------


def _report(queue: Found, planted: Sequence[Planted], objects: int) -> None:
    is_new, seen = [], set()
    for error in queue.errors:
        is_new.append(error >= 0 and error not in seen)
        seen.add(error)
    print(queue.name)
    for depth in DEPTHS:
        count = max(1, len(queue.errors[:depth]))  # a queue may be shorter
        new = sum(is_new[:depth]) / count
        any_hit = sum(error >= 0 for error in queue.errors[:depth]) / count
        found = Counter(planted[each].kind for each in {*queue.errors[:depth]} - {-1})
        counts = Counter(error.kind for error in planted)
        recall = ", ".join(f"{kind} {found[kind] / counts[kind]:.2f}" for kind in counts)
        print(f"  precision@{depth} {new:.2f} ({any_hit:.2f}); recall {recall}")
    print(f"  hours to half of the errors: {_hours(is_new, len(planted), objects)}\n")


def _hours(is_new: Sequence[bool], errors: int, objects: int) -> str:
    reached = np.flatnonzero(np.cumsum(is_new) >= errors / 2)
    own = f"{(reached[0] + 1) * SECONDS_A_REGION / 3600:.1f}" if reached.size else "never"
    return f"{own}, in random order {objects / 2 * SECONDS_A_REGION / 3600:.1f}"


def _compare(work: Path, options: argparse.Namespace, planted: list[Planted], objects: int) -> None:
    """cleanlab and the loss: each frame by the first network that has evidence of it."""
    from review_cleanlab import mark

    data = work / "planted"
    frames = {frame.name: frame for frame in find_frames(data, [options.split])}
    parts, examined = [], set[str]()
    for number, network in enumerate(options.network):
        folder = next((work / "evidence" / str(number)).glob("*-*"))
        names = [each for each in load_evidence(folder).store.names if each not in examined]
        parts.append((network, [frames[name] for name in names]))
        examined.update(names)
    begin = time.perf_counter()
    marked = mark(parts, data, reading_of([*frames.values()], data / "masks"))
    print(f"cleanlab and the loss: {time.perf_counter() - begin:.0f} s\n")
    maps = LabelMaps(data, [], options.split)
    orders: dict[str, Callable[[MarkedRegion], float]] = {
        "cleanlab's regions, the least sure first": lambda each: each.doubt,
        "cleanlab's regions, the most doubt in all first": lambda each: each.total,
    }
    for name, order in orders.items():
        regions = [each[:4] for each in sorted(marked.regions, key=order, reverse=True)[:5000]]
        _report(Found(name, errors_found(regions, planted, maps.truth)), planted, objects)
    wrong = {error.frame for error in planted}
    print(f"Frames with an error: {len(wrong) / len(examined):.2f} of all, and of the first 50 by")
    ways = {"loss": marked.losses, "cleanlab's score": {k: -v for k, v in marked.qualities.items()}}
    for name, values in ways.items():
        first = sorted(values, key=lambda frame: values[frame], reverse=True)[:50]
        print(f"  {name}: {sum(frame in wrong for frame in first) / len(first):.2f}")


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    import numpy as np
    from planting import KINDS, LabelMaps, Planted, errors_found, plant
    from review_cleanlab import MarkedRegion

    from cityseg.data import find_frames, reading_of
    from cityseg.evaluation import load_evidence, suspicious_regions
    from cityseg.evaluation.evidence import collect_evidence
    from cityseg.sample import make_sample

    main()
