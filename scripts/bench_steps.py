"""Ways of taking a training step, and the measurement of each in a fresh process.

A way makes the parts of a step and an endless iterator of batches that are ready for the network.
The step is the package's own for all ways: same model, loss, optimizer, number format and memory
order. What differs is where a batch comes from.
"""

import itertools
import math
import multiprocessing
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TypeVar

import bootstrap
import numpy as np
import psutil
import torch
from torch import Tensor

from cityseg.config import TrainConfig, make_config
from cityseg.data import IMAGES, MASK_SUFFIX, convert, find_frames
from cityseg.data.store import Store, open_store
from cityseg.geometry import Geometry, training_geometry
from cityseg.labels import NUM_CLASSES
from cityseg.models.devices import resolve_device, uses_bfloat16
from cityseg.system import keep_freed_memory
from cityseg.training import (
    LOG_EVERY,
    FrameSource,
    Parts,
    build_loss,
    build_optimizer,
    epoch_order,
    epoch_views,
    new_model,
    settle,
    take_step,
)
from cityseg.training.augment import augment

#: Inputs (B, 3, h, w) float32 and truth (B, h, w) int64, both on the device.
Batch = tuple[Tensor, Tensor]
Way = Callable[[TrainConfig], tuple[Parts, Iterator[Batch]]]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """How fast steps were, and the memory they needed at most."""

    samples_per_second: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no measurement, in a few words."""

    reason: str


def add_options(parser: ArgumentParser) -> None:
    """The options of the benchmarks that take training steps."""
    group = parser.add_argument_group("train, scaling and cost")
    group.add_argument("--size", default="256x512", help="height x width [256x512]")
    group.add_argument("--model", default="unet", help="network [unet]")
    group.add_argument("--width", type=int, help="of unet [64; for cost on a CPU 8]")
    group.add_argument(
        "--decoder-width", type=int, default=0, help="of other networks [that of their decoder]"
    )
    group.add_argument(
        "--batch-size", type=int, nargs="+", help="frames in a step, several for train [8; CPU 2]"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N [auto]")
    group.add_argument("--seconds", type=float, default=5, help="least time of a timing [5]")
    group.add_argument(
        "--limit-seconds", type=float, default=120, help="most time of a row of cost [120]"
    )
    group.add_argument(
        "--plot",
        type=Path,
        default=bootstrap.ROOT / "docs" / "cost.png",
        help="picture that cost writes [docs/cost.png]",
    )


def configured(options: Namespace, width_on_cpu: int = 64) -> TrainConfig:
    """The settings that the options name, with the first batch size and all augmentation."""
    on_gpu = resolve_device(options.device).type == "cuda"
    return make_config(
        {
            "size": options.size,
            "model": options.model,
            "decoder_width": options.decoder_width,
            "width": options.width or (64 if on_gpu else width_on_cpu),
            "batch_size": (options.batch_size or [8 if on_gpu else 2])[0],
            "device": options.device,
            "scale_min": 0.5,
            "scale_max": 2.0,
            "flip": True,
            "jitter": 0.3,
        }
    )


def describe(config: TrainConfig) -> str:
    """One line on what is trained, and where; starts CUDA in the process that asks."""
    device = resolve_device(config.device)
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"the CPU, {torch.get_num_threads()} threads"
    )
    numbers = "bfloat16" if uses_bfloat16(config.amp, device) else "float32"
    order = "channels_last" if config.channels_last else "contiguous"
    if config.model == "unet":
        network = f"U-Net of width {config.width}"
    else:
        network = f"{config.model} with a decoder of width {config.decoder_width or 'its own'}"
    return (
        f"{network} at {config.size[0]}×{config.size[1]}, {config.loss}, "
        f"{config.optimizer}, {numbers}, {order}, on {where}"
    )


def link_frames(dataset: Path, folder: Path, count: int) -> int:
    """Make `folder` a dataset of `count` training frames with masks; returns how many differ.

    They are links to the frames of `dataset`, over and over where there are too few.
    """
    masks = folder.parent / "masks-of-originals"
    splits = ("train", "val")  # the test split has no labels
    convert(dataset, masks, splits=splits, max_images=count)
    frames = [(frame.image, frame.mask(masks)) for frame in find_frames(dataset, splits)[:count]]
    pairs = [(image, mask) for image, mask in frames if image and mask.exists()]
    cities = [folder / kind / "train" / "many" for kind in (IMAGES, "masks")]
    for city in cities:
        city.mkdir(parents=True)
    for number, (image, mask) in zip(range(count), itertools.cycle(pairs), strict=False):
        stem = f"many_{number:06d}_000019"
        (cities[0] / f"{stem}_{IMAGES}{image.suffix}").symlink_to(image.resolve())
        (cities[1] / f"{stem}{MASK_SUFFIX}").symlink_to(mask.resolve())
    return len(pairs)


# --- ways --------------------------------------------------------------------------------------


def from_store(config: TrainConfig) -> tuple[Parts, Iterator[Batch]]:
    """Ours: views cut on the device out of frames of a store, which stands already."""
    parts = make_parts(config, open_training_store(config))
    return parts, augmented_batches(parts)


def open_training_store(config: TrainConfig) -> Store:
    """The store of the training frames, built if there is none."""
    assert config.store  # noqa: S101 - the caller names one
    frames = find_frames(config.data, ["train"])
    return open_store(frames, config.masks_folder, config.store, training_geometry(config))


def one_batch(
    config: TrainConfig, *, fused: bool | None = None, compile_mode: str | None = None
) -> tuple[Parts, Iterator[Batch]]:
    """The ceiling: one batch that is on the device already.

    `fused` chooses between torch's Adam as it comes and the fused one; None is the package's own
    optimizer. `compile_mode` is one of torch.compile's.
    """
    parts = make_parts(config, noise(config))
    if fused is not None:
        keys = ("params", "weight_decay")
        groups = [{key: group[key] for key in keys} for group in parts.optimizer.param_groups]
        parts.optimizer = torch.optim.Adam(groups, lr=config.learning_rate, fused=fused or None)
    if compile_mode:
        parts.model.compile(mode=compile_mode)
    return parts, itertools.repeat(next(augmented_batches(parts)))


def kept(way: Way, config: TrainConfig) -> tuple[Parts, Iterator[Batch]]:
    """`way` in a process that keeps freed memory, as trainings do."""
    keep_freed_memory()
    return way(config)


def make_parts(config: TrainConfig, store: Store) -> Parts:
    """What a step works with, put together as for a run that starts."""
    device = resolve_device(config.device)
    torch.backends.cudnn.benchmark = True  # as in trainings
    model = new_model(config, device, "none")
    source = FrameSource(store, device)
    return Parts(
        config=config,
        device=device,
        model=model,
        optimizer=build_optimizer(config, model),
        loss=build_loss(config, np.zeros(NUM_CLASSES + 1, np.int64), device),
        train=source,
        val=source,
        train_frames=len(store.images),
        val_names=[],
        amp=uses_bfloat16(config.amp, device),
    )


def noise(config: TrainConfig) -> Store:
    """A batch of frames that were never on a disk."""
    generator = np.random.default_rng(0)
    shape = (config.batch_size, *config.size)
    images = generator.integers(256, size=(*shape, 3), dtype=np.uint8)
    masks = generator.integers(NUM_CLASSES, size=shape, dtype=np.uint8)
    return Store(Path(), [], images, masks, [], Geometry(config.size))


def augmented_batches(parts: Parts) -> Iterator[Batch]:
    """Batches as the training loop makes them, epoch after epoch."""
    config, count = parts.config, parts.train_frames
    for epoch in itertools.count(1):
        order = epoch_order(count, config.seed, epoch)
        views = epoch_views(count, config, epoch)
        last = parts.steps_of_epoch * config.batch_size
        for step, (images, masks) in enumerate(
            parts.train.batches(order[:last], config.batch_size)
        ):
            start = step * config.batch_size
            positions = slice(start, start + len(images))
            yield augment(images, masks, views, positions, config.crop_hw)


# --- measuring ---------------------------------------------------------------------------------


def measure(way: Way, config: TrainConfig, seconds: float) -> Taken:
    """Samples a second over `seconds` or more, after steps that are not timed, and the memory.

    On a GPU the memory is the most of tensors at a time, from the second step on: the first
    searches for algorithms. On a CPU it is the most that the process had resident, mapped frames
    among it, with what its worker processes have of their own.
    """
    parts, batches = way(config)
    parts.model.train()
    float(take_step(parts, *next(batches)))
    if parts.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(parts.device)
    take_steps(parts, batches, seconds / 2)  # a loader's workers have used up their head start
    samples, elapsed = take_steps(parts, batches, seconds)
    if parts.device.type == "cuda":
        return Taken(samples / elapsed, torch.cuda.max_memory_allocated(parts.device))
    return Taken(samples / elapsed, _most_resident_bytes())


def take_steps(parts: Parts, batches: Iterator[Batch], seconds: float) -> tuple[int, float]:
    """Samples and seconds of steps as in the training loop, until `seconds` have passed.

    A GPU is waited for every LOG_EVERY steps, as in training, and the clock read then; on a CPU
    there is nothing to wait for, and it is read after each step.
    """
    every = LOG_EVERY if parts.device.type == "cuda" else 1
    samples, losses = 0, []
    started = time.perf_counter()
    for step, (inputs, truth) in enumerate(batches, 1):
        losses.append((take_step(parts, inputs, truth), len(inputs)))
        parts.position.total_steps += 1
        samples += len(inputs)
        if step % every == 0:
            settle(parts, losses)
            if time.perf_counter() - started >= seconds:
                break
    return samples, time.perf_counter() - started


def median_of(results: Sequence[Taken | Failed]) -> Taken | Failed:
    """The median of each number, or the first failure."""
    taken = [result for result in results if isinstance(result, Taken)]
    failed = [result for result in results if isinstance(result, Failed)]
    if failed:
        return failed[0]
    return Taken(
        statistics.median(result.samples_per_second for result in taken),
        round(statistics.median(result.memory_bytes for result in taken)),
    )


def rounded(value: float) -> str:
    """A positive number for people, with three digits that mean something."""
    decimals = max(0, 2 - math.floor(math.log10(value))) if value else 0
    return f"{value:,.{decimals}f}"


def _most_resident_bytes() -> int:
    """The kernel's own mark; getrusage's is not reset when a process becomes another program."""
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))
    for worker in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            own += int(worker.memory_full_info().uss)
    return own


def in_fresh_process(function: Callable[[], T]) -> T | Failed:
    """What `function`, which can be sent there, returns in a process of its own, or why not."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        try:
            return fresh.submit(_attempt, function).result()
        except BrokenProcessPool:
            return Failed("its process was killed, perhaps for want of memory")


def _attempt(function: Callable[[], T]) -> T | Failed:
    """Not every exception can be sent to another process: its words can."""
    try:
        return function()
    except torch.OutOfMemoryError:
        return Failed("out of memory")
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        return Failed(shorten(words.replace("|", "/"), 100, placeholder=" …"))
