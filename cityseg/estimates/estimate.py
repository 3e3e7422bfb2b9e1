"""What a training run will take, before it is started: memory, disk and time. Imports no torch.

Each number rests on something measured. The memory and the arithmetic of a step come from
`step_cost`; its speed from the newest run of the same network on the same device, else from a
short trial there. What a process takes beside its tensors was measured once, see the constants.
"""

import itertools
import math
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from cityseg.config import TrainConfig, settings_that
from cityseg.data import Frame
from cityseg.data.store import RESIDENT_SHARE, StorePlan, plan_store
from cityseg.estimates.step_cost import StepCost
from cityseg.jobs import Entry
from cityseg.runs import RunDir
from cityseg.system import Meter, device_key, last_objects, read_json

#: What a training process takes of the memory beside its tensors; of a GPU, its CUDA context.
_PROCESS_BYTES: Final = {"cpu": 450 << 20, "gpu": 600 << 20}
#: What allocators hold beyond what is in use at a time.
_SLACK: Final = 1.15
#: From the start of the process to its first step.
_START_SECONDS: Final = 5.0
#: Predicting a frame, as a part of training on it.
_VALIDATION_SHARE: Final = 0.4
#: How far apart the shortest and the longest time are, by what the speed was taken from.
_SPREADS: Final = {"run": (0.9, 1.2), "trial": (0.7, 1.8)}
#: How many of the newest runs are looked at for their speed.
_RUNS: Final = 50
_ROWS_BYTES: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Speed:
    """Pixels that are trained on in a second, and what that was taken from."""

    pixels_per_second: float
    source: Literal["run", "trial"]


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of a device's memory: all of it, and what is free now."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take; bytes and seconds."""

    parameters: int
    memory_bytes: int  # of the device, at most
    room: Room | None  # None where the device cannot be asked
    store_bytes: int  # frames yet to be decoded to disk
    disk_bytes: int  # those and the checkpoints
    disk_free_bytes: int
    is_resident: bool  # frames stay on the GPU
    seconds: tuple[float, float] | None  # the shortest and the longest; None without a speed
    speed_source: Literal["run", "trial"] | None

    @property
    def warnings(self) -> list[str]:
        """What will probably end the run early, for people; or nothing."""
        found = []
        if self.room and self.memory_bytes > self.room.total_bytes:
            found.append(
                f"The run needs about {gigabytes(self.memory_bytes)} of memory, and there are "
                f"{gigabytes(self.room.total_bytes)}: choose a smaller batch size, crop, size or "
                "width."
            )
        elif self.room and self.memory_bytes > self.room.free_bytes:
            found.append(
                f"The run needs about {gigabytes(self.memory_bytes)} of memory, and "
                f"{gigabytes(self.room.free_bytes)} are free now: end other programs, or let it "
                "wait for the runs before it."
            )
        if self.disk_bytes > self.disk_free_bytes:
            found.append(
                f"The run writes about {gigabytes(self.disk_bytes)}, and "
                f"{gigabytes(self.disk_free_bytes)} are free on the disk: free some space first."
            )
        return found


def gigabytes(size: float) -> str:
    """A size in bytes for people, with two digits that mean something: "3.9 GB", "85 MB"."""
    if size >= 999.5e6:
        return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:.0f} GB"
    return f"{max(size / 1e6, 1):.0f} MB"


def plan_stores(
    config: TrainConfig, runs: Path, frames: Iterable[Frame]
) -> tuple[StorePlan, StorePlan]:
    """The frame stores that a run of `config` below `runs` would train and validate on."""
    found = list(frames)
    folder = config.store or runs / ".store"
    train, val = (
        plan_store([f for f in found if f.split == split], config.masks_folder, folder, config.size)
        for split in ("train", "val")
    )
    return train, val


def estimate_run(
    config: TrainConfig,
    cost: StepCost,
    stores: tuple[StorePlan, StorePlan],
    speed: Speed | None,
    *,
    room: Room | None,
    disk_free_bytes: int,
) -> Estimate:
    """Put together what is known of a run of `config`."""
    on_gpu = device_key(config.device) != "cpu"
    frames_bytes = sum(plan.size_bytes for plan in stores)
    memory = _PROCESS_BYTES["gpu" if on_gpu else "cpu"] + _SLACK * cost.peak_bytes
    is_resident = on_gpu and room is not None and frames_bytes < RESIDENT_SHARE * room.total_bytes
    if is_resident:
        memory += frames_bytes
    elif not on_gpu:
        memory += cost.state_bytes  # a checkpoint is put together in memory before it is written
    new_bytes = sum(plan.size_bytes for plan in stores if not plan.is_built)
    kept = config.epochs // config.save_every if config.save_every else 0
    # The last two states, while the next is being written; the best weights, and those of epochs.
    checkpoints = 3 * cost.state_bytes + 4 * cost.parameters * (1 + kept)
    return Estimate(
        parameters=cost.parameters,
        memory_bytes=int(memory),
        room=room,
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


def trial_speed(config: TrainConfig, cost: StepCost) -> Speed | None:
    """The speed that a trial of the network found; None if there was none."""
    if not cost.flops_per_second:
        return None
    pixels = config.batch_size * math.prod(config.crop_hw)
    return Speed(pixels * cost.flops_per_second / cost.flops, "trial")


def earlier_speed(config: TrainConfig, entries: Sequence[Entry]) -> Speed | None:
    """The speed of the first run of `entries` of the same network on this machine's device.

    `list_runs` gives entries with the newest first. None if there is no such run.
    """
    device = device_key(config.device)
    alike = (each for each in entries if each.config and _is_alike(each.config, config))
    for entry in itertools.islice(alike, _RUNS):
        rates = _rates(entry.run) if _was_here(entry.run, device) else []
        if rates and entry.config:
            return Speed(rates[-1] * math.prod(entry.config.crop_hw), "run")
    return None


def _rates(run: RunDir) -> list[float]:
    """Frames a second in the newest epochs."""
    try:
        rows, _ = last_objects(run.metrics_file, _ROWS_BYTES)
    except OSError:
        return []
    return [row["frames_per_second"] for row in rows if row.get("frames_per_second")]


def _is_alike(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether runs of both have one speed on one device; `_was_here` compares the devices."""
    decisive = set(settings_that("changes_speed")) - {"device"}  # auto and cuda may be the same
    return all(getattr(one, name) == getattr(other, name) for name in decisive)


def _was_here(run: RunDir, device: str) -> bool:
    job = read_json(run.supervisor_file)
    return job.get("device") == device and job.get("hostname") == socket.gethostname()


def room_on(device: str) -> Room | None:
    """The memory of the device with this key; None if it cannot be asked."""
    if device == "cpu":
        memory = psutil.virtual_memory()
        limit = _group_limit()
        return Room(min(memory.total, limit), min(memory.available, limit))
    told = Meter(device).read()
    if told is None:
        return None
    total = told["memory_total_bytes"]
    return Room(total, total - told["memory_used_bytes"])


def _group_limit() -> int:
    """What the control group of this process, a container's say, may take."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return int((Path("/sys/fs/cgroup") / file).read_text())
        except (OSError, ValueError):
            continue
    return sys.maxsize
