"""Evidence: a whole pass of the network in the box beside an evaluation of the same frames.

And what each stage of the pass takes of one core.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import torch
from bench_steps import Failed, in_fresh_process
from bench_times import Times, print_table, timed

from cityseg.data import ANNOTATIONS, IMAGES, Frame, find_frames
from cityseg.evaluation import evidence
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.evidence import collect_evidence
from cityseg.evaluation.frames import load_frame
from cityseg.prediction import Predictor, predict_uncertain
from cityseg.runs import BOX
from cityseg.runs.state_dicts import load_network
from cityseg.system import keep_freed_memory

SMALL_HW = 256, 256
EVALUATE = "cityseg evaluate box"
EVIDENCE = "cityseg evidence box"
#: The functions that examine a prediction, and what the table calls them.
STAGES = {
    "count_prediction": "confusion and instances",
    "find_overlaps": "regions",
    "region_errors": "kinds of errors",
    "error_counts": "kinds of errors",
    "boundary_counts": "contours",
    "confidence_counts": "histogram of the confidence",
    "region_columns": "columns of the regions",
}


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
            print_stages(folder, repeats)


def print_stages(root: Path, repeats: int) -> None:
    """Print the milliseconds of one thread that each stage takes of a frame below `root`."""
    found = in_fresh_process(partial(_stages, root, repeats))  # it changes the number of threads
    if isinstance(found, Failed):
        sys.exit(found.reason)
    print("\n| stage, one thread | ms a frame |\n| --- | ---: |")
    for stage in found[0]:
        print(f"| {stage} | {1000 * statistics.median(each[stage] for each in found):.1f} |")


def _stages(root: Path, repeats: int) -> list[dict[str, float]]:
    keep_freed_memory()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    predictor = Predictor(load_network(BOX), "cpu")
    of_content = {
        os.path.realpath(frame.image): frame for frame in find_frames(root) if frame.image
    }
    frames = list(of_content.values())  # each once, however often it is linked
    time_stages(predictor, frames[0])
    return [time_stages(predictor, frame) for _ in range(repeats) for frame in frames]


def time_stages(predictor: Predictor, frame: Frame) -> dict[str, float]:
    """Seconds of each stage of a frame; reading, predicting and confusion are those of evaluate."""
    times: dict[str, float] = defaultdict(float)

    def stage(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.perf_counter()
        result = function(*arguments)
        times[name] += time.perf_counter() - begun
        return result

    loaded = stage("reading", load_frame, frame)
    stage("prediction", predictor.predict, loaded.image)
    instead = "prediction with its uncertainty, instead"
    found = stage(instead, predict_uncertain, predictor, loaded.image)
    # The functions of the pass itself, in its own order.
    parts: dict[str, Any] = {
        function: partial(stage, name, getattr(evidence, function))
        for function, name in STAGES.items()
    }
    with patch.multiple(evidence, **parts):
        evidence.examine_prediction(loaded, found)
    return dict(times)


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
