"""The frame store: building it beside its decode floor, and the start of a run that finds one."""

import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from PIL import Image

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import IMAGES, MASK_SUFFIX, Frame, convert, find_frames, png
from cityseg.data.store import open_store
from cityseg.geometry import Geometry
from cityseg.jobs import QUEUE_VARIABLE
from cityseg.sample import MIN_SIZE_HW, make_sample
from cityseg.system import ProgressCallback, available_cores, keep_freed_memory

SIZES_HW = (256, 512), (512, 1024)
#: Fewest frames to build a store of: in all, and for each core. The end of a build is on one core.
FRAMES, FRAMES_OF_A_CORE = 60, 30
#: As many frames as Cityscapes has, for the start of a run.
CITYSCAPES = {"train": 2975, "val": 500}
#: As `python -m cityseg`, but a line says when torch is there, half of which comes with its first
#: optimizer.
MAIN = """
import sys, torch
torch.optim.Adam([torch.zeros(1)])
print(flush=True)
from cityseg.cli.main import main
sys.exit(main())
"""

#: The image and the mask of a frame.
Files = tuple[Path, Path]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Job:
    """What every way gets; `out` is a folder that it may make."""

    frames: Sequence[Frame]
    masks: Path
    out: Path
    size_hw: tuple[int, int]
    cores: int

    def files(self) -> list[Files]:
        """The image and the mask of each frame."""
        return files_of(self.frames, self.masks)


class Way(NamedTuple):
    """One way to make arrays of `size_hw` (for the floor, of no size) from files."""

    name: str
    size_hw: tuple[int, int] | None
    work: Callable[[Job], None]


def run(dataset: Path, repeats: int) -> None:
    """Print how fast a store is built, and how soon a run that finds one gets to work."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        count = enough(available_cores())
        originals = convert_some(dataset, scratch / "masks", FRAMES)
        repeat(originals, scratch / "many", {"train": count, "val": count // 6})
        print(f"{len(originals)} frames of {dataset.name}, repeated; medians of {repeats} runs")
        bench_building(scratch / "many", len(originals), repeats)
        make_sample(scratch / "tiny", frames={"train": 4}, size_hw=MIN_SIZE_HW)
        tiny = convert_some(scratch / "tiny", scratch / "tiny" / "masks", FRAMES)
        repeat(tiny, scratch / "cityscapes", CITYSCAPES)
        bench_starting([scratch / "many", scratch / "cityscapes"], repeats)


def enough(cores: int) -> int:
    """Frames that so many cores need seconds for."""
    return max(FRAMES, FRAMES_OF_A_CORE * cores)


def convert_some(dataset: Path, masks: Path, most: int) -> list[Files]:
    """Convert the first frames of `dataset`; returns the files of those that have a mask."""
    convert(dataset, masks, max_images=most)
    return [files for files in files_of(find_frames(dataset)[:most], masks) if files[1].exists()]


def files_of(frames: Sequence[Frame], masks: Path) -> list[Files]:
    return [(frame.image, frame.mask(masks)) for frame in frames if frame.image]


def repeat(originals: Sequence[Files], root: Path, counts: Mapping[str, int]) -> None:
    """Make a dataset with masks of `originals` in turn, so many frames of each split.

    A store copies what it knows by its content. So each repetition has more zero bytes at the end
    of its files, which decoders pass over: all are decoded, at the same cost.
    """
    splits = [split for split, count in counts.items() for _ in range(count)]
    for number, split in enumerate(splits):
        image, mask = originals[number % len(originals)]
        stem = f"city_{number:06d}_000019"
        new_image = f"{IMAGES}/{split}/city/{stem}_{IMAGES}{image.suffix}"
        new_mask = f"masks/{split}/city/{stem}{MASK_SUFFIX}"
        for source, name in ((image, new_image), (mask, new_mask)):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes() + bytes(number // len(originals)))


def in_fresh_process(call: Callable[..., Result], *arguments: object) -> Result:
    """What `call` returns where nothing ran before, once its modules are imported."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(call, *arguments).result()


# --- building --------------------------------------------------------------------------------


def in_threads(job: Job, work: Callable[[Files, tuple[int, int]], None]) -> None:
    """Work with nothing around it, nor a kernel that takes freed pictures back: a tenth less."""
    keep_freed_memory()
    with ThreadPoolExecutor(job.cores) as pool:
        list(pool.map(lambda files: work(files, job.size_hw), job.files()))


def decode(files: Files) -> tuple[Uint8Array, Uint8Array]:
    """The pixels of an image and a mask by the fastest means we know, nothing checked."""
    image, mask = (path.read_bytes() for path in files)
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)
    train_ids = png.decode_grey(mask)
    if pixels is None or train_ids is None:
        raise SystemExit(f"{files} cannot be decoded")
    return as_uint8(pixels), train_ids


def decode_only(files: Files, size_hw: tuple[int, int]) -> None:
    """The floor; nothing is kept."""
    decode(files)


def decode_and_resize(files: Files, size_hw: tuple[int, int]) -> None:
    """The floor for a store of a smaller size; nothing is kept."""
    pixels, train_ids = decode(files)
    cv2.resize(pixels, size_hw[::-1], interpolation=cv2.INTER_AREA)
    cv2.resize(train_ids, size_hw[::-1], interpolation=cv2.INTER_NEAREST)


def ours(job: Job) -> None:
    """The whole of `open_store`: checks, digests, counts, and all of it safe on the disk."""
    store = open_store(job.frames, job.masks, job.out, Geometry(job.size_hw), workers=job.cores)
    if len(store) != len(job.frames):
        raise SystemExit(f"the store has {len(store)} of {len(job.frames)} frames")


def plain_script(job: Job) -> None:
    """The same arrays as one would make them without measuring; several cores are a pool."""
    job.out.mkdir()
    save = partial(save_arrays, folder=job.out, size_hw=job.size_hw)
    if job.cores == 1:
        list(map(save, job.files()))
        return
    with ProcessPoolExecutor(job.cores, multiprocessing.get_context("fork")) as pool:
        list(pool.map(save, job.files()))


def save_arrays(files: Files, folder: Path, size_hw: tuple[int, int]) -> None:
    for path, how in zip(files, (Image.Resampling.BOX, Image.Resampling.NEAREST), strict=True):
        np.save(folder / f"{path.stem}.npy", np.array(Image.open(path).resize(size_hw[::-1], how)))


FLOOR = Way("floor (decode)", None, partial(in_threads, work=decode_only))
WAYS = (
    FLOOR,
    *(
        Way(name, size_hw, work)
        for size_hw in SIZES_HW
        for name, work in (
            ("floor (decode, resize)", partial(in_threads, work=decode_and_resize)),
            ("cityseg store", ours),
            ("plain script (Pillow, np.save)", plain_script),
        )
    ),
)


def bench_building(root: Path, warm_up: int, repeats: int) -> None:
    """Print milliseconds a frame on one core and on all."""
    frames, cores = find_frames(root, ["train"]), sorted({1, available_cores()})
    times: dict[tuple[Way, int], list[float]] = {(way, n): [] for way in WAYS for n in cores}
    for _ in range(repeats):
        for (way, n), values in times.items():
            size_hw = way.size_hw or SIZES_HW[0]
            job = Job(frames[: enough(n)], root / "masks", root / "out", size_hw, n)
            values.append(in_fresh_process(seconds_to_build, way, job, warm_up))
    medians = {key: 1000 * statistics.median(values) for key, values in times.items()}
    print(
        f"\nBuilding: {' and '.join(str(enough(n)) for n in cores)} frames; milliseconds a frame\n"
    )
    heads = [head for n in cores for head in (f"{n} core{'s' * (n > 1)}", "× floor")]
    print(f"| way | {' | '.join(heads)} |\n| --- |{' ---: |' * len(heads)}")
    for way in WAYS:
        size = f", {way.size_hw[0]}×{way.size_hw[1]}" if way.size_hw else ""
        pairs = [(medians[way, n], medians[FLOOR, n]) for n in cores]
        columns = " | ".join(f"{own:.1f} | {own / floor:.2f}" for own, floor in pairs)
        print(f"| {way.name}{size} | {columns} |")


def seconds_to_build(way: Way, job: Job, warm_up: int) -> float:
    """Seconds a frame, after a warm-up with the first few."""
    cv2.setNumThreads(1)
    for frames in (job.frames[:warm_up], job.frames):
        start = time.perf_counter()
        way.work(replace(job, frames=frames))
        seconds = time.perf_counter() - start
        shutil.rmtree(job.out, ignore_errors=True)
    return seconds / len(job.frames)


# --- starting --------------------------------------------------------------------------------


def bench_starting(roots: Sequence[Path], repeats: int) -> None:
    """Print the seconds that a run needs to its first row if its stores are finished."""
    for root in roots:
        open_stores(root)
    times: dict[str, list[list[float]]] = {
        "to find the frames of both splits and open their stores": [[] for _ in roots],
        "a process starts and imports torch": [[] for _ in roots],
        "from there to its first training row": [[] for _ in roots],
        "its whole start": [[] for _ in roots],
    }
    for _ in range(repeats):
        for place, root in enumerate(roots):
            imported, trained = seconds_to_train(root)
            opened = in_fresh_process(open_stores, root, refuse)
            all_of_root = (opened, imported, trained, imported + trained)
            for values, seconds in zip(times.values(), all_of_root, strict=True):
                values[place].append(seconds)
    counts = [" + ".join(str(len(find_frames(root, [s]))) for s in CITYSCAPES) for root in roots]
    size = f"{SIZES_HW[0][0]}×{SIZES_HW[0][1]}"
    print(f"\nStarting with finished stores of {size}, train + val frames: seconds\n")
    print(f"| what | {' | '.join(counts)} |\n| --- |{' ---: |' * len(roots)}")
    for what, by_root in times.items():
        print(f"| {what} | {' | '.join(f'{statistics.median(v):.2f}' for v in by_root)} |")


def open_stores(root: Path, on_build: ProgressCallback | None = None) -> float:
    """Seconds in which the frames of both splits are found and their stores opened, or built."""
    masks, stores = root / "masks", root / "stores"
    start = time.perf_counter()
    for split in CITYSCAPES:
        open_store(
            find_frames(root, [split]), masks, stores, Geometry(SIZES_HW[0]), progress=on_build
        )
    return time.perf_counter() - start


def refuse(done: int, total: int) -> None:
    raise SystemExit("a finished store was built again")


def seconds_to_train(root: Path) -> tuple[float, float]:
    """Seconds of a training from its start until torch is imported, and on to its first row.

    Its steps are next to nothing, as long as no thread of PyTorch's waits for another.
    """
    runs = root / "runs"
    folders = [f"--data={root}", f"--store={root / 'stores'}", f"--runs={runs}"]
    network = [f"--size={SIZES_HW[0][0]}x{SIZES_HW[0][1]}", "--crop=32x64", "--width=2"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "train", *folders, *network],
        env=os.environ | {"OMP_NUM_THREADS": "1", QUEUE_VARIABLE: str(root / "queue")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout  # noqa: S101 - it is a pipe
        process.stdout.readline()
        imported = time.perf_counter()
        while not any(file.stat().st_size for file in runs.glob("*/metrics.jsonl")):
            if process.poll() is not None:
                raise SystemExit("the training ended before its first row")
            time.sleep(0.005)
        trained = time.perf_counter()
        process.terminate()
        process.communicate()
    shutil.rmtree(runs)
    return imported - start, trained - imported
