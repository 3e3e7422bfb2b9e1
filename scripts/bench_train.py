"""The whole training step: ours, a DataLoader over the files and the ceiling, side by side."""

import itertools
import math
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from bench_encoder import ENCODER, print_arithmetic, print_beside_busy_core
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
    make_parts,
    measure,
    median_of,
    noise,
    one_batch,
    open_training_store,
    rounded,
)
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from cityseg.config import TrainConfig
from cityseg.data import find_frames
from cityseg.labels import IGNORE
from cityseg.models.devices import resolve_device
from cityseg.models.inputs import MEAN, STD
from cityseg.system import available_cores
from cityseg.training import Parts
from cityseg.wording import readable_size

#: Steps of an epoch, about those of Cityscapes in batches of 8, and no more frames than it has.
STEPS, MOST_FRAMES = 300, 2975
CEILING = "one batch on the device, again and again (ceiling)"
OURS = "cityseg: frame store, augmentation on the device"

#: By way or variant, what each of its runs gave.
Runs = dict[str, list[Taken | Failed]]


def run(dataset: Path, repeats: int, options: Namespace) -> None:
    """Print samples a second of every way, then what each step up of the ceiling brings.

    Unless another network is named, an encoder network follows: its ways, its steps beside other
    work, and the arithmetic of both networks.
    """
    config = configured(options)
    batch_sizes = options.batch_size or [config.batch_size]
    count = max(2 * max(batch_sizes), min(STEPS * max(batch_sizes), MOST_FRAMES))
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch, "many")
        different = link_frames(dataset, data, count)
        config = config.model_copy(update={"data": data, "store": Path(scratch, "store")})
        store = open_training_store(config)
        print(in_fresh_process(partial(describe, config)))
        print(
            f"{count} frames ({different} different ones of {dataset.name}), in the store "
            f"{readable_size(store.images.nbytes + store.masks.nbytes)}; median of {repeats} runs "
            f"of {options.seconds:g} s or more, each in a fresh process"
        )
        for batch_size in batch_sizes:
            of_batch = config.model_copy(update={"batch_size": batch_size})
            ceiling = print_ways(of_batch, repeats, options.seconds)
            print_steps_up(of_batch, repeats, options.seconds)
        if config.model == "unet":
            encoder = of_batch.model_copy(update=ENCODER)
            print("\n" + str(in_fresh_process(partial(describe, encoder))))
            ceilings = {
                f"U-Net of width {of_batch.width}": (of_batch, ceiling),
                encoder.model: (encoder, print_ways(encoder, repeats, options.seconds)),
            }
            print_beside_busy_core(encoder, repeats, options.seconds)
            print_arithmetic(ceilings, options.seconds)


# --- a DataLoader over the files ---------------------------------------------------------------


class Files(Dataset[tuple[Tensor, Tensor]]):
    """What one writes: decode a frame's two files, resize, augment, make numbers of them."""

    def __init__(self, config: TrainConfig) -> None:
        frames = find_frames(config.data, ["train"])
        self.pairs = [(str(frame.image), str(frame.mask(config.masks_folder))) for frame in frames]
        self.transforms = transforms(config)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = self.pairs[index]
        pixels, truth = self.transforms(
            tv_tensors.Image(decode_image(image, ImageReadMode.RGB)),
            tv_tensors.Mask(decode_image(mask, ImageReadMode.UNCHANGED)),
        )
        return pixels, truth.squeeze(0)


def transforms(config: TrainConfig) -> v2.Compose:
    """Those of torchvision's segmentation reference, with its v2, at the scales of `config`."""
    smallest, strength = min(config.size), config.jitter
    number_formats = {tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}
    return v2.Compose(
        [
            v2.Resize(config.size),
            v2.RandomResize(int(smallest * config.scale_min), int(smallest * config.scale_max)),
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(
                config.crop_hw, pad_if_needed=True, fill={tv_tensors.Mask: IGNORE, "others": 0}
            ),
            v2.ColorJitter(strength, strength, strength),
            v2.ToDtype(number_formats, scale=True),
            v2.Normalize(MEAN, STD),
            v2.ToPureTensor(),
        ]
    )


def from_loader(config: TrainConfig, workers: int) -> tuple[Parts, Iterator[Batch]]:
    """The alternative: worker processes decode, augment and put together."""
    parts = make_parts(config, noise(config))
    on_gpu = parts.device.type == "cuda"
    loader = DataLoader(
        Files(config),
        config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=on_gpu,
        persistent_workers=workers > 0,
        # As in a plain script on Linux: in a fresh process of ours, it would be "spawn".
        multiprocessing_context="fork" if workers else None,
    )
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    return parts, (
        (
            inputs.to(parts.device, non_blocking=on_gpu),
            truth.to(parts.device, non_blocking=on_gpu),
        )
        for inputs, truth in batches
    )


def worker_counts(cores: int) -> list[int]:
    """Numbers of workers to try: none, the powers of two, all cores."""
    return sorted({0, cores, *(2**power for power in range(cores.bit_length()))})


# --- tables ------------------------------------------------------------------------------------


def print_ways(config: TrainConfig, repeats: int, seconds: float) -> Taken | Failed:
    """Print a table of the ways, and return its ceiling.

    The loader is tried once with each number of workers; the best one is in the table.
    """
    tried = {
        workers: in_fresh_process(
            partial(measure, partial(kept, partial(from_loader, workers=workers)), config, seconds)
        )
        for workers in worker_counts(available_cores())
    }
    best = max(tried, key=lambda workers: speed(tried[workers]))
    ways: dict[str, Way] = {
        CEILING: one_batch,
        OURS: from_store,
        f"DataLoader over the files, {best} worker{'s' * (best != 1)}": partial(
            from_loader, workers=best
        ),
    }
    runs = interleaved(
        {name: (partial(kept, way), config) for name, way in ways.items()}, repeats, seconds
    )
    print(f"\nBatch {config.batch_size}\n")
    print("| way | samples/s | × ceiling | memory |\n| --- | ---: | ---: | ---: |")
    ceiling = median_of(runs[CEILING])
    for name, values in runs.items():
        print(table_row(name, median_of(values), ceiling))
    found = ", ".join(f"{workers}: {in_words(result)}" for workers, result in tried.items())
    print(f"\nDataLoader by workers, samples/s of one run each: {found}", flush=True)
    return ceiling


def print_steps_up(config: TrainConfig, repeats: int, seconds: float) -> None:
    """The bare step, with one more thing switched on in each row; × is of the row before."""
    runs = interleaved(steps_up(config), repeats, seconds)
    print(f"\nWhat each step up of the ceiling brings, batch {config.batch_size}\n")
    print("| bare step | samples/s | × row before | memory |\n| --- | ---: | ---: | ---: |")
    before: Taken | Failed = Failed("there is no row before")
    for name, values in runs.items():
        result = median_of(values)
        print(table_row(name, result, before), flush=True)
        before = before if isinstance(result, Failed) else result


def steps_up(config: TrainConfig) -> Mapping[str, tuple[Way, TrainConfig]]:
    """From torch as it comes to all that it has."""
    on_gpu = resolve_device(config.device).type == "cuda"
    plain = config.model_copy(update={"amp": "off", "channels_last": False})
    ordered = config.model_copy(update={"amp": "off", "channels_last": True})
    narrow = ordered.model_copy(update={"amp": "bf16"})
    unfused, fused = partial(one_batch, fused=False), partial(one_batch, fused=True)
    rows: dict[str, tuple[Way, TrainConfig]] = {
        f"float32{' (convolutions in TF32)' * on_gpu}, contiguous, default Adam": (unfused, plain),
        "+ channels_last": (unfused, ordered),
        "+ bfloat16 autocast": (unfused, narrow),
        "+ fused Adam": (fused, narrow),
        "+ freed memory kept": (partial(kept, fused), narrow),
        "+ torch.compile": (partial(kept, partial(fused, compile_mode="default")), narrow),
    }
    if on_gpu:
        graphs = partial(fused, compile_mode="max-autotune")
        rows["+ max-autotune, CUDA graphs"] = (partial(kept, graphs), narrow)
    return rows


def interleaved(ways: Mapping[str, tuple[Way, TrainConfig]], repeats: int, seconds: float) -> Runs:
    """Measure every way `repeats` times, in turn; one that failed is not tried again."""
    runs: Runs = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (way, config) in ways.items():
            if not any(isinstance(result, Failed) for result in runs[name]):
                runs[name].append(in_fresh_process(partial(measure, way, config, seconds)))
    return runs


def speed(result: Taken | Failed) -> float:
    """Samples a second; 0 where there are none."""
    return result.samples_per_second if isinstance(result, Taken) else 0.0


def in_words(result: Taken | Failed) -> str:
    return result.reason if isinstance(result, Failed) else rounded(result.samples_per_second)


def table_row(name: str, result: Taken | Failed, basis: Taken | Failed) -> str:
    """One line of a table; the ratio is to `basis`."""
    if isinstance(result, Failed):
        return f"| {name} | {result.reason} | | |"
    ratio = result.samples_per_second / (speed(basis) or math.nan)
    shown = "" if math.isnan(ratio) else f"{ratio:.2f}"
    return f"| {name} | {in_words(result)} | {shown} | {readable_size(result.memory_bytes)} |"
