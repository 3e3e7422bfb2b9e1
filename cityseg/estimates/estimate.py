"""The memory, disk space and time of a training run, before it starts. Imports no torch.

Each number rests on a measurement. The memory and the arithmetic of a step come from `step_cost`,
its speed from `speed`. What a process needs beside its tensors was measured once: see the
constants.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cityseg.config import TrainConfig
from cityseg.data import Frame, pixel_aspect_of
from cityseg.data.store import RESIDENT_SHARE, StorePlan, plan_store
from cityseg.estimates.memory import DeviceMemory
from cityseg.estimates.speed import Speed
from cityseg.estimates.step_cost import StepCost
from cityseg.geometry import training_geometry
from cityseg.runs.checks import flagged_in_training, stores_of, used_frames
from cityseg.system import device_key
from cityseg.wording import readable_size

#: Memory of a training process beside its tensors; on a GPU, that of its CUDA context.
_PROCESS_BYTES: Final = {"cpu": 450 << 20, "gpu": 600 << 20}
#: Memory that allocators hold, as a multiple of what is in use at a time.
_SLACK: Final = 1.15
#: From the start of the process to its first step.
_START_SECONDS: Final = 5.0
#: The time to validate on a frame, as a share of the time to train on it.
_VALIDATION_SHARE: Final = 0.4
#: The shortest and the longest time as multiples of the expected one, by the source of the speed.
_SPREADS: Final = {
    "run": (0.9, 1.2),
    "trial": (0.7, 1.8),
    "other": (0.4, 2.5),
    "guess": (0.3, 4.0),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """The needs of a run, in bytes and seconds."""

    parameters: int
    memory_bytes: int  # of the device, at most; of each, where there are several
    device_memory: DeviceMemory | None  # None where the device cannot be asked
    store_bytes: int  # frames that are yet to be decoded to disk
    disk_bytes: int  # those frames and the checkpoints
    disk_free_bytes: int
    is_resident: bool  # frames stay in the memory of the GPU
    seconds: tuple[float, float] | None  # the shortest and the longest; None without a speed
    speed_source: Literal["run", "trial", "other", "guess"] | None

    @property
    def warnings(self) -> list[str]:
        """Sentences about what will probably end the run early; or none."""
        warnings, memory = [], self.device_memory
        if memory and self.memory_bytes > memory.total_bytes:
            warnings.append(
                f"The run needs about {readable_size(self.memory_bytes)} of memory, and the device "
                f"has {readable_size(memory.total_bytes)}: choose a smaller batch size, crop, size "
                "or width."
            )
        elif memory and self.memory_bytes > memory.free_bytes:
            warnings.append(
                f"The run needs about {readable_size(self.memory_bytes)} of memory, and "
                f"{readable_size(memory.free_bytes)} are free now: end other programs, or let it "
                "wait for the runs before it."
            )
        if self.disk_bytes > self.disk_free_bytes:
            warnings.append(
                f"The run writes about {readable_size(self.disk_bytes)}, and "
                f"{readable_size(self.disk_free_bytes)} are free on the disk: free some space "
                "first."
            )
        return warnings


def plan_stores(
    config: TrainConfig, runs: Path, frames: Iterable[Frame]
) -> tuple[StorePlan, StorePlan]:
    """The frame stores of a run of `config` below `runs`: for training, for validation."""
    found = used_frames(config, list(frames))
    folder = stores_of(config, runs)
    plans = []
    for split in ("train", "val"):
        of_split = [frame for frame in found if frame.split == split]
        pixels = pixel_aspect_of(config.data, config.masks_folder, of_split)
        geometry = training_geometry(config, pixels.value)
        flagged = flagged_in_training(config, of_split)
        ignored = flagged.ignored if flagged else {}
        plans.append(plan_store(of_split, config.masks_folder, folder, geometry, ignored))
    train, val = plans
    return train, val


def estimate_run(
    config: TrainConfig,
    cost: StepCost,
    stores: tuple[StorePlan, StorePlan],
    speed: Speed | None,
    *,
    device_memory: DeviceMemory | None,
    disk_free_bytes: int,
) -> Estimate:
    """The estimate for a run of `config`, from the cost of a step, the stores and the speed."""
    on_gpu = device_key(config.device) != "cpu"
    frames_bytes = sum(plan.size_bytes for plan in stores)
    memory = _PROCESS_BYTES["gpu" if on_gpu else "cpu"] + _SLACK * cost.peak_bytes
    most = RESIDENT_SHARE * device_memory.total_bytes if device_memory else 0
    is_resident = on_gpu and frames_bytes < most
    if is_resident:
        memory += frames_bytes
    elif not on_gpu:
        memory *= config.devices  # processes, of which the first one saves
        memory += cost.state_bytes  # a checkpoint is a copy in memory before it is written
    new_bytes = sum(plan.size_bytes for plan in stores if not plan.is_built)
    kept = config.epochs // config.save_every if config.save_every else 0
    # Two states are kept while the next one is written; then the weights of the best epoch, and
    # of every epoch that is kept.
    checkpoints = 3 * cost.state_bytes + 4 * cost.parameters * (1 + kept)
    return Estimate(
        parameters=cost.parameters,
        memory_bytes=int(memory),
        device_memory=device_memory,
        store_bytes=new_bytes,
        disk_bytes=new_bytes + checkpoints,
        disk_free_bytes=disk_free_bytes,
        is_resident=is_resident,
        seconds=_seconds(config, stores, speed) if speed else None,
        speed_source=speed.source if speed else None,
    )


def _seconds(
    config: TrainConfig, stores: tuple[StorePlan, StorePlan], speed: Speed
) -> tuple[float, float]:
    train, val = stores
    pixels = train.frames * math.prod(config.crop_hw)
    pixels += int(val.frames * math.prod(config.size) * _VALIDATION_SHARE)
    training = config.epochs * pixels / speed.pixels_per_second
    low, high = _SPREADS[speed.source]
    return _START_SECONDS + low * training, _START_SECONDS + high * training
