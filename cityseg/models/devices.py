"""Where a network runs, and in which number format."""

import re
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cityseg.config import DEVICE_PATTERN
from cityseg.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """The device that "auto", "cpu", "cuda" or "cuda:N" stands for here; raises ConfigError."""
    if not re.fullmatch(DEVICE_PATTERN, name):
        raise ConfigError(f"device is {name!r}: choose auto, cpu, cuda or cuda:N")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device is {name!r}, but {torch.cuda.device_count()} CUDA devices are here: choose cpu"
        )
    return device


def uses_bfloat16(amp: Literal["auto", "off", "bf16"], device: torch.device) -> bool:
    """Whether forward passes on `device` run in bfloat16.

    "auto" means where the hardware multiplies such numbers itself: GPUs since 2020, and CPUs with
    AVX-512 BF16 or AMX.
    """
    if amp != "auto":
        return amp == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch cannot tell: they stay with float32.
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def on_device(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """A tensor of `array`, of the same shape and dtype, on `device`.

    A GPU is not waited for: copies from memory that is not pinned come after all that was asked of
    it before, and hold up the program for as long.
    """
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
