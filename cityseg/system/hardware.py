"""What this machine offers for training, without torch."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cityseg.system.gpus import ask_each
from cityseg.system.parallel import available_cores


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: its name and its bytes of memory."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """The cores that this process may use, the bytes of memory, and the GPUs that NVML knows."""

    cores: int
    memory_bytes: int
    gpus: list[Gpu]


def this_hardware() -> Hardware:
    """The hardware of this machine."""
    return Hardware(available_cores(), psutil.virtual_memory().total, _gpus())


def _gpus() -> list[Gpu]:
    return ask_each(_describe) or []


def _describe(nvml: Any, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(str(nvml.nvmlDeviceGetName(handle)), int(memory.total))


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is, or would be created; 0 if it is unknown."""
    for existing in (folder.absolute(), *folder.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(existing).free
    return 0
