"""Time our scores beside the official evaluator's and beside a bare `np.bincount`.

    python scripts/bench_score.py --data DATA --repeats 15

One row is one way to count one frame. All maps are in memory and no row decodes a file: the
official code is its own `evaluatePair`, whose `Image.open` is given those same arrays (it copies
them, some 8 MB a frame; that stays in its time). In each round every row takes every frame, so
that a disturbance of the machine meets all of them.
"""

import argparse
import os
import platform
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cityseg.data import find_frames  # noqa: E402
from cityseg.defaults import default_root  # noqa: E402
from cityseg.labels import (  # noqa: E402
    IGNORE,
    LABEL_ID_OF_TRAIN_ID,
    LABEL_OF_NAME,
    NUM_CLASSES,
    TRAIN_ID_OF_LABEL_ID,
)
from cityseg.metrics import confusion_matrix, count_frame  # noqa: E402


class Maps(NamedTuple):
    """One frame in every form that a row starts from, so that no row pays for conversions."""

    truth: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.uint8]
    instance_ids: npt.NDArray[np.uint16]
    truth_train_ids: npt.NDArray[np.uint8]
    predicted_train_ids: npt.NDArray[np.uint8]
    combined: npt.NDArray[np.int64]


class Row(NamedTuple):
    """`milliseconds` is the median over all rounds and frames."""

    name: str
    milliseconds: float


OURS, OURS_INSTANCES = "ours", "ours, with instances"
OFFICIAL, OFFICIAL_INSTANCES = "official evaluator", "official evaluator, with instances"
BARE = (
    "bare bincount, valid pixels of 19×19",
    "bare bincount, all pixels as 20×20",
    "bare bincount, of one int64 map made beforehand",
)


def bench_score(dataset_root: Path, repeats: int) -> list[Row]:
    """Time every way to count on the frames of `dataset_root` that have instance maps."""
    maps = load_maps(dataset_root)
    ways = _ways()
    for way in ways.values():
        way(maps[0])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for frame in maps:
            for name, way in ways.items():
                start = time.perf_counter()
                way(frame)
                seconds[name].append(time.perf_counter() - start)
    return [Row(name, 1000 * statistics.median(of_way)) for name, of_way in seconds.items()]


def load_maps(dataset_root: Path) -> list[Maps]:
    """Decode the frames, with predictions such as a network at an eighth of the size makes."""
    frames = [f for f in find_frames(dataset_root, ("train", "val")) if f.instance_ids]
    if not frames:
        raise SystemExit(f"{dataset_root} has no frame with an instance map")
    return [_maps(_read(frame.label_ids), _read(frame.instance_ids)) for frame in frames[:6]]


def _read(path: Path | None) -> npt.NDArray[Any]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return image


def _maps(truth: npt.NDArray[np.uint8], instance_ids: npt.NDArray[np.uint16]) -> Maps:
    size = truth.shape[::-1]
    small = cv2.resize(truth, (size[0] // 8, size[1] // 8), interpolation=cv2.INTER_NEAREST)
    coarse = TRAIN_ID_OF_LABEL_ID[cv2.resize(small, size, interpolation=cv2.INTER_NEAREST)]
    predicted_train_ids = np.where(coarse == IGNORE, LABEL_OF_NAME["road"].train_id, coarse)
    predicted_train_ids = predicted_train_ids.astype(np.uint8)
    truth_train_ids = TRAIN_ID_OF_LABEL_ID[truth]
    return Maps(
        truth,
        LABEL_ID_OF_TRAIN_ID[predicted_train_ids],
        instance_ids,
        truth_train_ids,
        predicted_train_ids,
        _pairs_of_20(truth_train_ids, predicted_train_ids).astype(np.int64),
    )


def _pairs_of_20(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint16]:
    return (np.minimum(truth, NUM_CLASSES).astype(np.uint16) * np.uint16(20) + predicted).ravel()


def _bare_valid(maps: Maps) -> npt.NDArray[np.int64]:
    valid = maps.truth_train_ids != IGNORE
    truth = maps.truth_train_ids[valid].astype(np.uint16)
    pairs = truth * np.uint16(NUM_CLASSES) + maps.predicted_train_ids[valid]
    return np.bincount(pairs, minlength=NUM_CLASSES**2)


def _ways() -> dict[str, Callable[[Maps], Any]]:
    official = _Official()
    return {
        OURS: lambda maps: confusion_matrix(maps.truth, maps.predicted),
        OURS_INSTANCES: lambda maps: count_frame("", maps.truth, maps.predicted, maps.instance_ids),
        OFFICIAL: lambda maps: official.evaluate(maps, with_instances=False),
        OFFICIAL_INSTANCES: lambda maps: official.evaluate(maps, with_instances=True),
        BARE[0]: _bare_valid,
        BARE[1]: lambda maps: np.bincount(
            _pairs_of_20(maps.truth_train_ids, maps.predicted_train_ids), minlength=400
        ),
        BARE[2]: lambda maps: np.bincount(maps.combined, minlength=400),
    }


class _Picture:
    """What the evaluator uses of a Pillow image."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array
        self.size = array.shape[::-1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.array


class _Official:
    """The official `evaluatePair`, opening arrays in place of files."""

    def __init__(self) -> None:
        self.module = runpy.run_path(str(ROOT / "tests" / "support" / "official_evaluator.py"))[
            "load"
        ]()
        self.module.Image = self
        self.opened: dict[str, npt.NDArray[Any]] = {}

    def open(self, name: str) -> _Picture:
        return _Picture(self.opened[name])

    def evaluate(self, maps: Maps, *, with_instances: bool) -> Any:
        module, args = self.module, self.module.args
        args.evalInstLevelScore = with_instances
        self.opened = {
            "predicted": maps.predicted,
            "labelIds": maps.truth,
            "instanceIds": maps.instance_ids,
        }
        confusion, statistics = module.generateMatrix(args), module.generateInstanceStats(args)
        module.evaluatePair("predicted", "labelIds", confusion, statistics, {}, args)
        return confusion


def table(rows: Sequence[Row]) -> str:
    """Markdown: each row beside the fastest bare count, ours beside the official code."""
    milliseconds = {row.name: row.milliseconds for row in rows}
    floor = min(milliseconds[name] for name in BARE)
    lines = [
        "| way | ms a frame | × fastest bare count |",
        "| --- | ---: | ---: |",
    ]
    lines += [
        f"| {row.name} | {row.milliseconds:.2f} | {row.milliseconds / floor:.2f} |" for row in rows
    ]
    without = milliseconds[OFFICIAL] / milliseconds[OURS]
    with_instances = milliseconds[OFFICIAL_INSTANCES] / milliseconds[OURS_INSTANCES]
    lines += ["", f"Official / ours: {with_instances:.1f} with instances, {without:.1f} without."]
    return "\n".join(lines)


def machine() -> str:
    """One line: processor, cores, versions."""
    cpu_info = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpu_info.read_text().splitlines() if cpu_info.exists() else [])
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.processor()
    return f"{model}, {os.cpu_count()} cores; NumPy {np.__version__}, OpenCV {cv2.__version__}"


def run(dataset: Path, repeats: int) -> None:
    """Print the table."""
    print(table(bench_score(dataset, repeats)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_root(), help="a Cityscapes folder")
    parser.add_argument("--repeats", type=int, default=15, help="rounds over all frames")
    options = parser.parse_args()
    run(options.data, options.repeats)
    print(machine())


if __name__ == "__main__":
    main()
