"""The GPUs of this machine, without torch: which one a device name means, and how busy it is.

NVML (nvidia-ml-py) is asked where it is installed. Names are taken in the order of the PCI bus,
which is NVML's; `FIXED_ORDER` makes CUDA number them in the same way.
"""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

_Answer = TypeVar("_Answer")

#: For the environment of a process that trains, before it starts CUDA.
FIXED_ORDER: Final[Mapping[str, str]] = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def device_key(name: str) -> str:
    """What "auto", "cpu", "cuda" or "cuda:N" is on this machine, `[a-z0-9-]+`.

    "cpu", or "gpu-" and the UUID (the index, where NVML does not know it). Two names for one GPU,
    with or without CUDA_VISIBLE_DEVICES, have one key.
    """
    uuids = _uuids()
    visible = _visible(uuids)
    if name == "cpu" or (name == "auto" and not visible):
        return "cpu"
    number = int(name.partition(":")[2] or 0)
    gpu = visible[number] if number < len(visible) else str(number)
    if gpu.isdecimal() and int(gpu) < len(uuids):
        gpu = uuids[int(gpu)]
    return "gpu-" + re.sub(r"[^a-z0-9]+", "-", gpu.lower()).removeprefix("gpu-")


def _visible(uuids: list[str]) -> list[str]:
    """The GPUs that CUDA shows, as UUIDs or indices, in the order of its numbers."""
    limit = os.environ.get("CUDA_VISIBLE_DEVICES")
    if limit is None:
        return uuids
    visible = []
    for entry in map(str.strip, limit.split(",")):
        found = [uuid for uuid in uuids if entry and uuid.lower().startswith(entry.lower())]
        if entry.isdecimal() and int(entry) < len(uuids):
            visible.append(uuids[int(entry)])
        elif len(found) == 1:
            visible += found
        elif entry.lower().startswith("mig-"):  # a part of a GPU, which others may use beside it
            visible.append(entry)
        else:
            break  # as CUDA does: nothing behind a wrong entry is shown
    return visible


def _uuids() -> list[str]:
    """A name for each GPU: its UUID, or its index if only the driver's files are there."""
    uuids = ask_each(lambda nvml, handle: str(nvml.nvmlDeviceGetUUID(handle)))
    if uuids is not None:
        return uuids
    return [str(index) for index in range(len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))]


def ask_each(question: Callable[[Any, Any], _Answer]) -> list[_Answer] | None:
    """What `question(pynvml, handle)` says of each GPU; None where NVML cannot be asked."""
    with suppress(Exception):  # no package, no driver, no permission
        import pynvml

        pynvml.nvmlInit()
        try:
            count = pynvml.nvmlDeviceGetCount()
            handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(count))
            return [question(pynvml, handle) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
    return None


class Meter:
    """Reads how busy the GPU with a key is; None as its reading where that cannot be known."""

    def __init__(self, key: str) -> None:
        """Find the GPU, if the key is one's and NVML is there."""
        self._handle: Any = None
        if key.startswith("gpu-"):
            with suppress(Exception):
                import pynvml

                pynvml.nvmlInit()
                for index in range(pynvml.nvmlDeviceGetCount()):
                    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                    uuid = str(pynvml.nvmlDeviceGetUUID(handle)).lower()
                    if key in (uuid, f"gpu-{uuid}"):
                        self._handle = handle

    def read(self) -> dict[str, Any] | None:
        """Percent of the last moment in use, and bytes of memory."""
        if self._handle is None:
            return None
        with suppress(Exception):
            import pynvml

            memory = pynvml.nvmlDeviceGetMemoryInfo(self._handle)
            rates = pynvml.nvmlDeviceGetUtilizationRates(self._handle)
            return {
                "utilisation": rates.gpu,
                "memory_used_bytes": memory.used,
                "memory_total_bytes": memory.total,
            }
        return None
