"""The classic U-Net, five levels deep, for images of any size.

Source: Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", 2015; with padded convolutions and normalisation, as is usual since.
"""

import math
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, cat, nn

from cityseg.labels import NUM_CLASSES

LEVELS = 5

Norm = Literal["batch", "group"]


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) on the right and below until H and W are multiples of `multiple`.

    Border pixels are repeated: zeros would add an edge that no street has, and reflection needs
    more pixels than a tiny image has. `[..., :H, :W]` crops the result back.
    """
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if below or right:
        return F.pad(images, (0, right, 0, below), mode="replicate")
    return images


class DoubleConv(nn.Sequential):
    """(3×3 convolution, norm, ReLU) twice; (B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, norm: Norm = "batch") -> None:
        """Build the layers, without the biases that the norm would subtract again."""
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            _build_norm(norm, out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            _build_norm(norm, out_channels),
            nn.ReLU(inplace=True),
        )


def _build_norm(norm: Norm, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    # 8 channels or more in each group; the number of groups must divide that of channels.
    return nn.GroupNorm(math.gcd(channels, max(1, channels // 8)), channels)


class UNet(nn.Module):
    """Maps normalised images (B, 3, H, W) to logits (B, num_classes, H, W), for any H and W ≥ 1.

    The five levels have `width` × 1, 2, 4, 8 and 16 channels. In training mode, batch norm needs
    more than one value in each channel of the lowest level: two images, or one over 16 pixels.
    """

    def __init__(
        self, *, width: int = 64, num_classes: int = NUM_CLASSES, norm: Norm = "batch"
    ) -> None:
        """Draw the initial weights from torch's global generator."""
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(DoubleConv(*pair, norm) for pair in pairwise([3, *channels]))
        rising = list(pairwise(reversed(channels)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for low, high in rising)
        self.merge = nn.ModuleList(DoubleConv(2 * high, high, norm) for _, high in rising)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.apply(_initialise)
        # Nearly even odds for all classes at first; weights ten times smaller learnt more slowly.
        nn.init.normal_(self.head.weight, std=(3 * width) ** -0.5)

    def forward(self, images: Tensor) -> Tensor:
        """Pad, go down and up, crop back; the logits have the images' height and width."""
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, 2 ** (LEVELS - 1))
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(cat([skips.pop(), up(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits[..., :height, :width]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.ConvTranspose2d):
        # As stride = kernel, an output pixel sums one value of each channel; no ReLU follows.
        nn.init.normal_(module.weight, std=module.in_channels**-0.5)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
        nn.init.zeros_(module.bias)
