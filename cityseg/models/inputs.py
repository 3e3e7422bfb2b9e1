"""What a network is given: pixels as floats, normalised; for training and prediction alike."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from cityseg.models.devices import on_device

# The mean and standard deviation of ImageNet's RGB values, which pretrained encoders expect.
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)


def as_pixels(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in 0–1."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def normalise(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) RGB in 0–1 to the values that networks expect."""
    mean, std = of_channels((MEAN, STD), pixels.device)
    return (pixels - mean) / std


def of_channels(values: Sequence[Sequence[float]], device: torch.device) -> tuple[Tensor, ...]:
    """For each row of three values, one of a channel each: (1, 3, 1, 1) float32."""
    return on_device(np.array(values, np.float32), device).view(-1, 1, 3, 1, 1).unbind()
