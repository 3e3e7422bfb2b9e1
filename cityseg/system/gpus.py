"""The GPUs of this machine, without torch: which one a device name means, and how busy it is.

NVML (nvidia-ml-py) is asked where it is installed. Devices are numbered in the order of the PCI
bus, which is NVML's; `FIXED_ORDER` makes CUDA number them in the same way.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

_Answer = TypeVar("_Answer")

#: For the environment of a process that trains, before it starts CUDA.
FIXED_ORDER: Final[Mapping[str, str]] = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def device_key(name: str) -> str:
    """The key, `[a-z0-9-]+`, of the device that "auto", "cpu", "cuda" or "cuda:N" means here.

    It is "cpu", or "gpu-" and the UUID (the index, where NVML does not know it). Two names for one
    GPU, with or without CUDA_VISIBLE_DEVICES, have the same key.
    """
    return device_keys(name, 1)[0]


def device_keys(name: str, processes: int) -> tuple[str, ...]:
    """The keys of the devices on which so many processes of one training with `name` run here.

    Several processes have a GPU each, from the first one on, or share the CPU.
    """
    uuids = _uuids()
    visible = _visible(uuids)
    if name == "cpu" or (name == "auto" and not visible):
        return ("cpu",)
    first = int(name.partition(":")[2] or 0) if processes == 1 else 0
    return tuple(_key(number, visible, uuids) for number in range(first, first + processes))


def _key(number: int, visible: list[str], uuids: list[str]) -> str:
    """The key of the GPU that CUDA gives this number."""
    gpu = visible[number] if number < len(visible) else str(number)
    if gpu.isdecimal() and int(gpu) < len(uuids):
        gpu = uuids[int(gpu)]
    return "gpu-" + re.sub(r"[^a-z0-9]+", "-", gpu.lower()).removeprefix("gpu-")


def _visible(uuids: list[str]) -> list[str]:
    """The GPUs that CUDA shows, as UUIDs or indices, in the order of CUDA's numbers."""
    limit = os.environ.get("CUDA_VISIBLE_DEVICES")
    if limit is None:
        return uuids
    visible = []
    for entry in map(str.strip, limit.split(",")):
        # CUDA accepts the beginning of a UUID, if it is that of one GPU only.
        found = [uuid for uuid in uuids if entry and uuid.lower().startswith(entry.lower())]
        if entry.isdecimal() and int(entry) < len(uuids):
            visible.append(uuids[int(entry)])
        elif len(found) == 1:
            visible += found
        elif entry.lower().startswith("mig-"):  # a part of a GPU; others may use the other parts
            visible.append(entry)
        else:
            break  # CUDA shows nothing after an invalid entry
    return visible


def _uuids() -> list[str]:
    """A name for each GPU: its UUID, or its index if only the driver's files are there."""
    uuids = ask_each(lambda nvml, handle: str(nvml.nvmlDeviceGetUUID(handle)))
    if uuids is not None:
        return uuids
    return [str(index) for index in range(len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))]


def ask_each(question: Callable[[Any, Any], _Answer]) -> list[_Answer] | None:
    """`question(pynvml, handle)` for each GPU; None where NVML does not answer."""
    if (nvml := _initialised_nvml()) is None:
        return None
    try:
        count = nvml.nvmlDeviceGetCount()
        return [question(nvml, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]
    except nvml.NVMLError:  # a GPU that is lost, or does not support the question
        return None
    finally:
        nvml.nvmlShutdown()


class Meter:
    """Measures how busy the GPU with a device key is."""

    def __init__(self, key: str) -> None:
        """Find the GPU, if `key` is a GPU's and NVML knows it."""
        self._handle: Any = None
        self._nvml = _initialised_nvml() if key.startswith("gpu-") else None
        if self._nvml is not None:
            try:
                self._handle = _find(self._nvml, key)
            except self._nvml.NVMLError:
                self._handle = None

    def read(self) -> dict[str, Any] | None:
        """Utilisation in percent and bytes of memory; None where they are unknown."""
        if self._nvml is None or self._handle is None:
            return None
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
            rates = self._nvml.nvmlDeviceGetUtilizationRates(self._handle)
        except self._nvml.NVMLError:
            return None
        return {
            "utilisation": rates.gpu,
            "memory_used_bytes": memory.used,
            "memory_total_bytes": memory.total,
        }


def _find(nvml: Any, key: str) -> Any:
    """NVML's handle of the GPU with this key; None if it has none."""
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid = str(nvml.nvmlDeviceGetUUID(handle)).lower()
        if key in (uuid, f"gpu-{uuid}"):
            return handle
    return None


def _initialised_nvml() -> Any:
    """The module pynvml, ready for questions; None without the package, a driver or permission."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
