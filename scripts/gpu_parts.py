"""The parts of `gpu_check.py`: each yields rows, and runs in a process of its own.

Ways of taking a step and their measurement are those of `bench.py`. Needs the core's packages only.
"""

import math
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import bench_evaluate
import torch
from bench_steps import (
    Batch,
    Failed,
    Taken,
    Way,
    configured,
    describe,
    from_store,
    in_fresh_process,
    kept,
    link_frames,
    measure,
    one_batch,
    open_training_store,
    rounded,
)
from bench_times import timed
from bench_train import CEILING, OURS, from_loader, steps_up
from timed_runs import epochs_within

from cityseg.config import TrainConfig, make_config
from cityseg.data import convert, find_frames, read_image
from cityseg.estimates import measure_step
from cityseg.evaluation.checkpoint import evaluate
from cityseg.prediction import Predictor
from cityseg.runs import RunDir, best_epoch
from cityseg.runs.checkpoints import load_state
from cityseg.sample import make_sample
from cityseg.system import available_cores
from cityseg.training import Parts, train
from cityseg.wording import readable_size

#: Frames of the painted city, where no dataset is named, and their size.
PAINTED: Final = {"train": 48, "val": 12}
PAINTED_HW: Final = (256, 512)
#: The largest size of the runs that are compared weight by weight.
PROBE_HW: Final = (128, 256)
#: Workers of the DataLoader, at most; more rarely help and take long to start.
MOST_WORKERS: Final = 8
#: Seconds of the part "training" that are kept for its start and its end.
START_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured, and on what."""

    scratch: Path
    data: Path
    device: str = "cuda"
    size: str = "512x1024"
    width: int = 64
    batch_sizes: tuple[int, ...] = (8, 32)
    evaluated: int = 500  # frames
    seconds: float = 4.0  # least time of a timing
    limit_seconds: float = 60.0  # of the part

    @property
    def masks(self) -> Path:
        """The masks of `data`, whose own folder may be read-only or hold older ones."""
        return self.scratch / "masks-of-originals"  # where `link_frames` looks for them


@dataclass(frozen=True, slots=True)
class Row:
    """One result: in words, and as numbers."""

    what: str
    result: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def parts_of(settings: Settings) -> dict[str, tuple[float, Callable[[Settings], Iterator[Row]]]]:
    """By name, the share of the time that a part gets and what it does; in this order."""
    batches = {
        f"step, batch {size}": (110, partial(steps, batch_size=size))
        for size in settings.batch_sizes
    }
    return {
        "data": (40, prepare),
        **batches,
        "store": (35, stores),
        "evaluation": (55, evaluation),
        "training": (180, training),
        "resume": (60, resuming),
        "ladder": (60, partial(ladder, batch_size=settings.batch_sizes[0])),
    }


def prepare(settings: Settings) -> Iterator[Row]:
    """Paint a city if there is no dataset, convert it, and link frames enough for the steps."""
    if not settings.data.exists():
        make_sample(settings.data, frames=PAINTED, size_hw=PAINTED_HW)
    converted = convert(settings.data, settings.masks, splits=("train", "val")).converted
    frames = 2 * max(settings.batch_sizes)
    link_frames(settings.data, settings.scratch / "many", frames)
    open_training_store(step_config(settings, settings.batch_sizes[0]))
    yield Row("frames with masks", f"{converted} of {settings.data.name}", {"frames": converted})
    network = in_fresh_process(partial(describe, step_config(settings, settings.batch_sizes[0])))
    yield Row("network", network.reason if isinstance(network, Failed) else network)


def step_config(settings: Settings, batch_size: int) -> TrainConfig:
    """The settings of a step, with all augmentation."""
    options = Namespace(
        size=settings.size,
        model="unet",
        decoder_width=0,
        width=settings.width,
        batch_size=[batch_size],
        device=settings.device,
    )
    paths = {"data": settings.scratch / "many", "store": settings.scratch / "store"}
    return configured(options).model_copy(update=paths)


# --- steps -------------------------------------------------------------------------------------


def steps(settings: Settings, batch_size: int) -> Iterator[Row]:
    """Whole training steps: the ceiling, ours and a DataLoader, and what memory they take."""
    config = step_config(settings, batch_size)
    needed = measure_step(config, trial=False).peak_bytes
    yield Row("memory, as estimated", readable_size(needed), {"memory_bytes": needed})
    workers = min(available_cores(), MOST_WORKERS)
    ways: dict[str, Way] = {
        CEILING: one_batch,
        f"{OURS}; frames on the device": from_store,
        f"{OURS}; frames in pinned memory": from_host,
        f"DataLoader over the files, {workers} workers": partial(from_loader, workers=workers),
        f"{CEILING}, torch.compile": partial(one_batch, compile_mode="default"),
    }
    for name, way in ways.items():
        timing = partial(measure, partial(kept, way), config, settings.seconds)
        yield speed_row(name, in_fresh_process(timing))


def ladder(settings: Settings, batch_size: int) -> Iterator[Row]:
    """The bare step, with one more thing switched on in each row."""
    config = step_config(settings, batch_size)
    for name, (way, changed) in steps_up(config).items():
        timing = partial(measure, way, changed, settings.seconds)
        yield speed_row(name, in_fresh_process(timing))


def speed_row(name: str, taken: Taken | Failed) -> Row:
    """Frames a second and the memory, or why there are none."""
    if isinstance(taken, Failed):
        return Row(name, taken.reason)
    shown = f"{rounded(taken.samples_per_second)} frames/s, {readable_size(taken.memory_bytes)}"
    numbers = {"frames_per_second": taken.samples_per_second, "memory_bytes": taken.memory_bytes}
    return Row(name, shown, numbers)


def from_host(config: TrainConfig) -> tuple[Parts, Iterator[Batch]]:
    """Ours where the frames do not fit on the device: gathered into pinned memory by a thread."""
    parts, batches = from_store(config)
    store = open_training_store(config)
    source = parts.train
    source.resident, source.images, source.masks = False, store.images, store.masks
    return parts, batches


# --- store -------------------------------------------------------------------------------------


def stores(settings: Settings) -> Iterator[Row]:
    """Augmented batches alone, without a step, from the device and from pinned memory."""
    config = step_config(settings, settings.batch_sizes[0])
    for name, way in {"device": from_store, "pinned memory": from_host}.items():
        taken = in_fresh_process(partial(feed, way, config, settings.seconds))
        yield speed_row(f"augmented batches from {name}", taken)


def feed(way: Way, config: TrainConfig, seconds: float) -> Taken:
    """Frames a second of batches that nobody trains on."""
    parts, batches = kept(way, config)
    for _ in range(3):
        next(batches)
    frames, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        frames += len(next(batches)[0])
        bench_evaluate.wait(parts.device)
    elapsed, on_gpu = time.perf_counter() - started, parts.device.type == "cuda"
    memory = torch.cuda.max_memory_allocated(parts.device) if on_gpu else 0
    return Taken(frames / elapsed, memory)


# --- evaluation --------------------------------------------------------------------------------


def evaluation(settings: Settings) -> Iterator[Row]:
    """Frames from their files to scores, beside forward and count alone."""
    root, checkpoint = settings.scratch / "evaluated", settings.scratch / "untrained.safetensors"
    bench_evaluate.link_frames(settings.data, root, settings.evaluated, over_and_over=True)
    size_hw = step_config(settings, 1).size
    bench_evaluate.save_untrained(checkpoint, settings.width, size_hw)
    predictor = Predictor.load(checkpoint, settings.device)
    frames = find_frames(root, ["val"])[: bench_evaluate.READY]
    with torch.inference_mode():
        ready = [bench_evaluate.make_ready(predictor, frame) for frame in frames]
    floor = partial(bench_evaluate.forward_and_count, predictor, ready, settings.evaluated)
    ours = partial(evaluate, checkpoint, root, device=settings.device)
    bench_evaluate.forward_and_count(predictor, ready, len(ready))  # cuDNN tries its algorithms
    height, width = ready[0].train_ids.shape
    ways: dict[str, Callable[[], object]] = {bench_evaluate.FLOOR: floor, "cityseg evaluate": ours}
    for name, way in ways.items():
        seconds, _ = timed(way, settings.evaluated)
        shown = f"{1000 * seconds:.1f} ms a frame of {height}×{width}, {settings.evaluated} frames"
        yield Row(name, shown, {"milliseconds": 1000 * seconds})


# --- training ----------------------------------------------------------------------------------


def training(settings: Settings) -> Iterator[Row]:
    """The preset fast, with as many epochs as fit into the time of this part."""
    started, folder, size_hw = time.monotonic(), settings.scratch / "runs", training_size(settings)
    values: dict[str, Any] = {
        "data": settings.data,
        "masks": settings.masks,
        "store": settings.scratch / "store",
        "size": size_hw,
        "width": settings.width,
        "device": settings.device,
    }
    end = started + settings.limit_seconds - START_SECONDS / 2
    trial = RunDir.create(folder, make_config({**values, "epochs": 2}, "fast"))
    train(trial, should_stop=lambda: time.monotonic() > end)
    left = started + settings.limit_seconds - START_SECONDS - time.monotonic()
    epochs = epochs_within(trial, left)
    if not epochs:
        yield Row("fast", "No epoch fits into the time: name a smaller dataset, such as CamVid")
        return
    run = RunDir.create(folder, make_config({**values, "epochs": epochs}, "fast"))
    summary = train(run, should_stop=lambda: time.monotonic() > end)
    best = best_epoch(run.metrics())
    if best is None:
        yield Row("fast", "It was stopped before the end of an epoch")
        return
    shown = (
        f"mean IoU {best['mean_iou'] or math.nan:.3f}, pixel accuracy "
        f"{best['pixel_accuracy'] or math.nan:.3f}, {summary['epochs']} of {epochs} epochs in "
        f"{summary['seconds']:.0f} s, {best['frames_per_second'] or math.nan:.1f} frames/s"
    )
    yield Row(f"fast at {size_hw[0]}×{size_hw[1]}", shown, dict(summary))


def training_size(settings: Settings) -> tuple[int, int]:
    """The size of the steps, or that of the frames where they are smaller, in multiples of 8."""
    frame = next(frame for frame in find_frames(settings.data, ["train"]) if frame.image)
    assert frame.image  # noqa: S101 - of those that have one
    picture, wanted = read_image(frame.image).shape[:2], step_config(settings, 1).size
    height, width = (max(32, min(pair) // 8 * 8) for pair in zip(picture, wanted, strict=True))
    return height, width


# --- resume ------------------------------------------------------------------------------------


def resuming(settings: Settings) -> Iterator[Row]:
    """Whether a run that was stopped and resumed ends like one that was not, bit for bit."""
    city, runs = settings.scratch / "tiny", settings.scratch / "probes"
    make_sample(city, frames={"train": 6, "val": 2}, size_hw=(32, 64))
    convert(city, city / "masks", splits=("train", "val"))
    wanted = step_config(settings, 1).size
    values = {
        "data": city,
        "device": settings.device,
        "size": tuple(min(pair) for pair in zip(wanted, PROBE_HW, strict=True)),
        "width": min(settings.width, 16),
    }
    config = make_config({**values, "batch_size": 2, "epochs": 3, "flip": True, "jitter": 0.3})
    for name, deterministic in (("as it is", False), ("with cudnn.deterministic", True)):
        whole, again, cut = (RunDir.create(runs, config) for _ in range(3))
        attempts = ((whole, None), (again, None), (cut, 5), (cut, None))
        for run, calls in attempts:  # each in a process of its own, as in life
            failed = in_fresh_process(partial(attempt, run.path, calls, deterministic))
            if isinstance(failed, Failed):
                yield Row(f"resumed, {name}", failed.reason)
                break
        else:
            yield likeness(f"a second run, {name}", whole, again)
            yield likeness(f"a resumed run, {name}", whole, cut)


def attempt(path: Path, calls: int | None, deterministic: bool) -> None:
    """Train a run to its end, or until it was asked so often whether it should stop."""
    torch.backends.cudnn.deterministic = deterministic
    numbers = count(1)
    train(RunDir.open(path), should_stop=lambda: calls is not None and next(numbers) > calls)


def likeness(name: str, one: RunDir, other: RunDir) -> Row:
    """How far the weights of two runs are apart at their ends."""
    first, second = (load_state(run) for run in (one, other))
    assert first  # noqa: S101 - both have been trained
    assert second  # noqa: S101
    pairs = [(tensor, second["model"][key]) for key, tensor in first["model"].items()]
    apart = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
    shown = "equal, bit for bit" if apart == 0 else f"differs by up to {apart:.2g} in a weight"
    return Row(name, shown, {"largest_difference": apart})
