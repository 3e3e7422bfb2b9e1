"""Batch augmentation on the device: one random view of each frame, image and mask aligned.

Every random number is derived from (seed, epoch, position in the epoch). A generator whose state
moves on with each batch would make a resumed run see other views, as would worker processes; so a
run that is resumed, also on another device, sees the same ones; the grain of noise alone differs
between kinds of devices.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cityseg.config import TrainConfig
from cityseg.labels import IGNORE
from cityseg.models.devices import on_device
from cityseg.models.inputs import as_pixels, normalise, of_channels

_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Views:
    """How each of N frames is scaled, cropped, mirrored and coloured; arrays of shape (N,)."""

    scale: npt.NDArray[np.float64]
    top: npt.NDArray[np.float64]  # of the crop, as a share (0–1) of the rows to spare
    left: npt.NDArray[np.float64]
    flip: npt.NDArray[np.bool_]
    brightness: npt.NDArray[np.float64]  # factors around 1
    contrast: npt.NDArray[np.float64]
    saturation: npt.NDArray[np.float64]
    blur: npt.NDArray[np.float64]  # standard deviation in pixels of the crop
    noise: npt.NDArray[np.float64]  # standard deviation as a share of white
    noise_seed: npt.NDArray[np.int64]


def epoch_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """(count,) int64: the frame at each position of the epoch."""
    return generator(seed, epoch, 0).permutation(count)


def epoch_views(count: int, config: TrainConfig, epoch: int) -> Views:
    """The views of all positions of an epoch."""
    scale, top, left, flip, *photometric = generator(config.seed, epoch, 1).random((7, count))
    low, high = np.log(config.scale_min), np.log(config.scale_max)
    brightness, contrast, saturation = (1 + config.jitter * (2 * v - 1) for v in photometric)
    # Of generators of their own, so that the views of runs from before are as they were.
    softened, noisy = np.maximum(2 * generator(config.seed, epoch, 2).random((2, count)) - 1, 0)
    return Views(
        np.exp(low + (high - low) * scale),
        top,
        left,
        config.flip & (flip < 0.5),
        brightness,
        contrast,
        saturation,
        blur=config.blur * softened,
        noise=config.noise * noisy,
        noise_seed=generator(config.seed, epoch, 3).integers(2**63, size=count),
    )


def generator(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    """Random numbers for one `purpose` in an epoch; each has a number of its own."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch, purpose))))


def augment(
    images: Tensor, masks: Tensor, views: Views, positions: slice, crop_hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Take the views at `positions` of the epoch from a batch.

    `images` is (B, H, W, 3) uint8, `masks` (B, H, W) uint8. Returns (B, 3, h, w) float32,
    normalised, and (B, h, w) int64; outside the frame they are black and 255.
    """
    pixels = as_pixels(images)
    if not _moves(views, positions, masks.shape[1:], crop_hw):
        return normalise(_photograph(pixels, views, positions)), masks.long()
    grid = _grid(views, positions, masks.shape[1:], crop_hw, images.device)
    labels = masks.unsqueeze(1).float()
    # "border", so that pixels at the frame's edge are not mixed with black.
    pixels = F.grid_sample(pixels, grid, "bilinear", "border", align_corners=False)
    labels = F.grid_sample(labels, grid, "nearest", "border", align_corners=False)
    inside = (grid.abs() <= 1).all(-1)
    # Blackened at the end: contrast and noise would turn black into grey.
    pixels = _photograph(pixels, views, positions) * inside.unsqueeze(1)
    return normalise(pixels), labels.squeeze(1).where(inside, IGNORE).long()


def _moves(views: Views, positions: slice, size_hw: torch.Size, crop_hw: tuple[int, int]) -> bool:
    same_size = tuple(size_hw) == crop_hw and bool((views.scale[positions] == 1).all())
    return not same_size or bool(views.flip[positions].any())


def _grid(
    views: Views,
    positions: slice,
    size_hw: torch.Size,
    crop_hw: tuple[int, int],
    device: torch.device,
) -> Tensor:
    """(B, h, w, 2): for each pixel of the crop its place (x, y) in the frame, from −1 to 1."""
    scale, flip = views.scale[positions], views.flip[positions]
    axes = []
    for size, crop, where in zip(
        size_hw, crop_hw, (views.top[positions], views.left[positions]), strict=True
    ):
        spare = size * scale - crop  # negative where the crop is larger than the scaled frame
        start = np.round(spare * where)  # whole pixels: a crop without a scale interpolates nothing
        centres = start[:, None] + np.arange(crop)[None, :] + 0.5
        axes.append(centres / (size * scale)[:, None] * 2 - 1)
    y, x = axes
    x = np.where(flip[:, None], x[:, ::-1], x)
    # Only the axes are copied to the device: the grid is as large as the batch itself.
    rows, columns = (on_device(axis.astype(np.float32), device) for axis in (y, x))
    shape = (len(scale), *crop_hw)
    return torch.stack((columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)), dim=-1)


def _photograph(pixels: Tensor, views: Views, positions: slice) -> Tensor:
    """The pixels as another camera might have taken them; they stay in 0–1."""
    pixels = _jitter(pixels, views, positions)
    return _add_noise(_blur(pixels, views, positions), views, positions)


def _jitter(pixels: Tensor, views: Views, positions: slice) -> Tensor:
    """Scale brightness, contrast and saturation by each frame's factors; stays in 0–1."""
    factors = np.stack((views.brightness, views.contrast, views.saturation))[:, positions]
    if (factors == 1).all():
        return pixels
    columns = factors[..., None, None, None].astype(np.float32)
    brightness, contrast, saturation = on_device(columns, pixels.device).unbind()
    (luma,) = of_channels((_LUMA,), pixels.device)
    pixels = pixels * brightness
    level = (pixels * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    pixels = level + (pixels - level) * contrast
    grey = (pixels * luma).sum(1, keepdim=True)
    return (grey + (pixels - grey) * saturation).clamp_(0, 1)


def _blur(pixels: Tensor, views: Views, positions: slice) -> Tensor:
    """Blur each frame by a Gaussian of its own deviation."""
    sigma = views.blur[positions]
    if not sigma.any():
        return pixels
    # The same radius for all of an epoch: a frame looks the same in whatever batch it is.
    radius = math.ceil(3 * float(views.blur.max()))
    offsets = np.arange(-radius, radius + 1)
    kernels = np.exp(-((offsets / np.maximum(sigma, 1e-3)[:, None]) ** 2) / 2)
    kernels /= kernels.sum(1, keepdims=True)
    weight = on_device(kernels.astype(np.float32), pixels.device).repeat_interleave(3, dim=0)
    shape, channels = pixels.shape, 3 * len(sigma)  # each channel of each frame has its kernel
    flat = F.pad(pixels.reshape(1, channels, *shape[2:]), (radius,) * 4, mode="replicate")
    rows = F.conv2d(flat, weight[:, None, None, :], groups=channels)
    return F.conv2d(rows, weight[:, None, :, None], groups=channels).view(shape)


def _add_noise(pixels: Tensor, views: Views, positions: slice) -> Tensor:
    """Add to each value of a frame a normal one of the frame's deviation; stays in 0–1.

    The numbers come from a generator of the device, and differ between kinds of devices.
    """
    noise, seeds = views.noise[positions], views.noise_seed[positions]
    if not noise.any():
        return pixels
    generator = torch.Generator(pixels.device)
    frames = []
    for frame, deviation, seed in zip(pixels, noise.tolist(), seeds.tolist(), strict=True):
        if deviation:
            generator.manual_seed(seed)
            grain = torch.randn(frame.shape, generator=generator, device=pixels.device)
            frames.append((frame + deviation * grain).clamp_(0, 1))
        else:
            frames.append(frame)
    return torch.stack(frames)
