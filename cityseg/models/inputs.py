"""Inputs of networks, for training and prediction alike: normalised pixels."""

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
    """Convert (B, H, W, 3) uint8 to (B, 3, H, W) float32 from 0 to 1."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def normalise(pixels: Tensor) -> Tensor:
    """Convert (B, 3, H, W) RGB from 0 to 1 to values with the mean and deviation of ImageNet's."""
    mean, std = of_channels((MEAN, STD), pixels.device)
    return (pixels - mean) / std


def of_channels(values: Sequence[Sequence[float]], device: torch.device) -> tuple[Tensor, ...]:
    """For each row of three values, one for each channel, a (1, 3, 1, 1) float32 tensor."""
    return on_device(np.array(values, np.float32), device).view(-1, 1, 3, 1, 1).unbind()
