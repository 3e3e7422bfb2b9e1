"""The device that a network runs on, and the number format of its forward passes."""

import re
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cityseg.config import DEVICE_PATTERN
from cityseg.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """The device "auto", "cpu", "cuda" or "cuda:N" of this machine; raises ConfigError."""
    if not re.fullmatch(DEVICE_PATTERN, name):
        raise ConfigError(f"device is {name}: choose auto, cpu, cuda or cuda:N")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device is {name}, but this machine has {torch.cuda.device_count()} CUDA devices: "
            "choose auto or cpu"
        )
    return device


def uses_bfloat16(amp: Literal["auto", "off", "bf16"], device: torch.device) -> bool:
    """Whether forward passes on `device` run in bfloat16.

    "auto" is true where the hardware multiplies such numbers: GPUs since 2020, and CPUs with
    AVX-512 BF16 or AMX. Elsewhere they are emulated, slower than float32.
    """
    if amp != "auto":
        return amp == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Missing in older versions of torch, which then use float32.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def on_device(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """A copy of `array` on `device`, of the same shape and dtype.

    The memory is pinned for a GPU: a copy from other memory waits until the GPU has done all work
    queued before it, and the program with it.
    """
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
