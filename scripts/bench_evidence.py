"""Evidence: a whole pass of the network in the box beside an evaluation of the same frames."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
from bench_times import Times, print_table, timed

from cityseg.data import ANNOTATIONS, IMAGES
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.evidence import collect_evidence
from cityseg.runs import BOX

SMALL_HW = 256, 256
EVALUATE = "cityseg evaluate box"
EVIDENCE = "cityseg evidence box"


def measure_evidence(root: Path, repeats: int) -> None:
    """Print times and sizes for the val frames below `root`, as they are and at SMALL_HW."""
    with tempfile.TemporaryDirectory() as scratch:
        small = Path(scratch, "small")
        count = shrink(root, small)
        for size, folder in (("full size", root), (f"{SMALL_HW[1]}×{SMALL_HW[0]}", small)):
            out = Path(scratch, "evidence")
            times = time_passes(folder, out, count, repeats)
            print(f"\n{count} frames at {size}, loading of the network included\n")
            print_table(times, EVALUATE)
            print(f"\nEvidence of a frame: {', '.join(kilobytes(out, count))}")
            shutil.rmtree(out)


def shrink(root: Path, small: Path) -> int:
    """Write all frames below `root` at SMALL_HW below `small`; returns their number."""
    for kind, how in ((IMAGES, cv2.INTER_AREA), (ANNOTATIONS, cv2.INTER_NEAREST)):
        paths = list((root / kind).rglob("*.png"))
        for path in paths:
            target = small / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert pixels is not None  # noqa: S101
            cv2.imwrite(str(target), cv2.resize(pixels, SMALL_HW[::-1], interpolation=how))
    return sum(1 for _ in (root / IMAGES).rglob("*.png"))


def time_passes(root: Path, out: Path, count: int, repeats: int) -> Times:
    """(wall, CPU) seconds a frame of both; the evidence of the last pass stays in `out`."""

    def collect() -> None:
        shutil.rmtree(out, ignore_errors=True)
        collect_evidence(BOX, root, out)

    ways: dict[str, Callable[[], object]] = {
        EVALUATE: partial(evaluate, BOX, root),
        EVIDENCE: collect,
    }
    times: Times = defaultdict(list)
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(timed(way, count))
    return times


def kilobytes(out: Path, count: int) -> list[str]:
    """How much each sort of file takes of a frame."""
    sorts = {"counts": "*/*.npz", "regions": "*/regions/*", "pictures": "*/pictures/**/*.png"}
    return [
        f"{name} {sum(path.stat().st_size for path in out.glob(pattern)) / count / 1024:.1f} KB"
        for name, pattern in sorts.items()
    ]
