"""Conversion: ours, the reference's way and the floor, side by side on the same annotations."""

import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cityseg.data import Frame, convert, encode_mask, find_frames
from cityseg.labels import LABELS, TRAIN_ID_OF_LABEL_ID

_TRAIN_ID_OF = {label.id: label.train_id for label in LABELS if not label.ignore_in_eval}


def reference_way(annotation: Path, target: Path) -> None:
    """The document's conversion: Pillow, a loop over a dictionary, Pillow."""
    label_ids = np.array(Image.open(annotation))
    mask = np.full_like(label_ids, 255)
    for label_id, train_id in _TRAIN_ID_OF.items():
        mask[label_ids == label_id] = train_id
    Image.fromarray(mask).save(target)


def floor(annotation: Path, target: Path) -> None:
    """Decode, table, encode, with nothing around it."""
    label_ids = np.asarray(cv2.imread(str(annotation), cv2.IMREAD_UNCHANGED), np.uint8)
    mask = np.asarray(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID), np.uint8)
    target.write_bytes(encode_mask(mask, ""))


def _each(frames: list[Frame], folder: Path, way: Callable[[Path, Path], None]) -> None:
    folder.mkdir()
    for frame in frames:
        assert frame.label_ids  # noqa: S101 - run() keeps annotated frames only
        way(frame.label_ids, folder / f"{frame.stem}.png")


def ours(frames: list[Frame], folder: Path, workers: int) -> None:
    """The whole of `convert`: discovery, checks, read-back, report."""
    assert frames[0].image  # noqa: S101 - run() keeps paired frames only
    convert(frames[0].image.parents[3], folder, workers=workers)


WAYS: dict[str, Callable[[list[Frame], Path], None]] = {
    "floor (decode, table, encode)": partial(_each, way=floor),
    "cityseg convert, 1 worker": partial(ours, workers=1),
    "reference (Pillow, dictionary)": partial(_each, way=reference_way),
    "cityseg convert, 2 workers": partial(ours, workers=2),
}


def measure(name: str, frames: list[Frame], folder: Path) -> float:
    """Seconds a frame of the second pass in a fresh process."""
    cv2.setNumThreads(1)
    for made in (folder / "warm-up", folder / "timed"):
        start = time.perf_counter()
        WAYS[name](frames, made)
        seconds = time.perf_counter() - start
        shutil.rmtree(made)
    return seconds / len(frames)


def run(dataset: Path, repeats: int) -> None:
    """Print milliseconds a frame on one core, and how ours grows with cores.

    Each measurement has a process of its own: how the memory allocator behaves after what ran
    before would otherwise move the slower ways by a third.
    """
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        frames = _repeated(dataset, Path(scratch, "many"))
        for _ in range(repeats):
            for name, values in seconds.items():
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                    values.append(fresh.submit(measure, name, frames, Path(scratch)).result())
    medians = {name: 1000 * statistics.median(values) for name, values in seconds.items()}
    baseline = medians["floor (decode, table, encode)"]
    print(f"{len(frames)} annotations of {dataset.name}, median of {repeats} runs\n")
    print("| way | ms a frame | × floor |\n| --- | ---: | ---: |")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / baseline:.2f} |")


def _repeated(dataset: Path, many: Path) -> list[Frame]:
    """Link the dataset's frames fifty times over, so that starting up weighs as it does in use."""
    for city in sorted(dataset.glob("*/*/*")):
        for copy in range(50):
            link = many / city.relative_to(dataset).parent / f"{city.name}{copy}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(city.resolve())
    return [frame for frame in find_frames(many) if frame.image and frame.label_ids]
