"""The memory of a device: how much it has, and how much is free now."""

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from cityseg.system import Meter


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes of a device's memory."""

    total_bytes: int
    free_bytes: int


def device_memory(device: str) -> DeviceMemory | None:
    """The memory of the device with this key of `device_key`; None if it cannot be asked."""
    if device == "cpu":
        memory = psutil.virtual_memory()
        limit = _group_limit()
        return DeviceMemory(min(memory.total, limit), min(memory.available, limit))
    reading = Meter(device).read()
    if reading is None:
        return None
    total = reading["memory_total_bytes"]
    return DeviceMemory(total, total - reading["memory_used_bytes"])


def _group_limit() -> int:
    """Bytes that the control group of this process, such as a container's, may use.

    The machine's own figures do not show this limit, and who exceeds it is killed.
    """
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # version 2, version 1
        try:
            return int((Path("/sys/fs/cgroup") / file).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return sys.maxsize
