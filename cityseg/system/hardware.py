"""What this machine has to train with, asked without torch."""

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
    """Cores that this process may use, bytes of memory, and the GPUs that NVML knows."""

    cores: int
    memory_bytes: int
    gpus: list[Gpu]


def this_hardware() -> Hardware:
    """That of the machine on which this runs."""
    return Hardware(available_cores(), psutil.virtual_memory().total, _gpus())


def _gpus() -> list[Gpu]:
    return ask_each(_about) or []


def _about(nvml: Any, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(str(nvml.nvmlDeviceGetName(handle)), int(memory.total))


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is, or would be made; 0 if that cannot be asked."""
    for existing in (folder.absolute(), *folder.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(existing).free
    return 0
