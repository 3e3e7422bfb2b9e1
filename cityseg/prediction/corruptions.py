"""Pictures made worse in eight ways and five severities, to see what a network withstands.

The parameters are of the spirit of ImageNet-C (Hendrycks and Dietterich, arXiv 1903.12261), chosen
for street scenes; the scores over them are those of Michaelis et al., arXiv 1907.07484.

- The same frame, corruption and severity always give the same pixels. A larger severity is more of
  the same: the drops, the grain and the clouds of a frame stay where they are.
- A severity means the same at every size: lengths are shares of the picture, and random fields are
  drawn on a grid of a fixed number of rows and resized.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.corruption import Corruption

#: Lengths are given in pixels of a frame of Cityscapes.
_DIAGONAL: Final = math.hypot(1024, 2048)
#: Rows of the grids on which noise and JPEG errors, and rain are made.
_GRAIN_ROWS: Final = 256
_RAIN_ROWS: Final = 512


def corrupt(pictures: Tensor, corruption: Corruption, names: Sequence[str]) -> Tensor:
    """Make (N, 3, H, W) RGB pictures worse: uint8, or floating with values of 0–1.

    `names` are those of the N frames, on which randomness depends. Returns a new tensor of the same
    shape, dtype and device; at severity 0 a copy. Raises ValueError for other inputs.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3 or len(names) != len(pictures):
        raise ValueError(
            f"Pictures must be (N, 3, H, W) with N names: found {tuple(pictures.shape)} and "
            f"{len(names)} names"
        )
    if corruption.severity == 0 or not pictures.numel():
        return pictures.clone()
    change, parameters = _CHANGES[corruption.name]
    parameter = parameters[corruption.severity - 1]
    is_uint8 = pictures.dtype == torch.uint8
    fractions = pictures.float() / 255 if is_uint8 else pictures.float()
    changed = torch.stack(
        [
            change(picture, parameter, _generator(name, corruption.name))
            for picture, name in zip(fractions, names, strict=True)
        ]
    ).clamp_(0, 1)
    return (changed * 255).round_().to(torch.uint8) if is_uint8 else changed.to(pictures.dtype)


def corrupt_picture(image: Uint8Array, corruption: Corruption, name: str) -> Uint8Array:
    """`corrupt` for one (H, W, 3) uint8 RGB picture."""
    pictures = torch.from_numpy(image).permute(2, 0, 1)[None]
    changed = corrupt(pictures, corruption, [name])[0].permute(1, 2, 0)
    pixels: Uint8Array = changed.contiguous().numpy()
    return pixels


def _generator(frame: str, corruption: str) -> Generator:
    """On the CPU, whose random numbers are the same on every machine; not by severity."""
    digest = hashlib.blake2b(f"{corruption} {frame}".encode(), digest_size=7).digest()
    return Generator().manual_seed(int.from_bytes(digest))


# --- what happens to one (3, H, W) picture of 0–1 ----------------------------------------------


def _noise(picture: Tensor, deviation: float, generator: Generator) -> Tensor:
    grid = _grid(picture, _GRAIN_ROWS)
    field = torch.randn((3, *grid), generator=generator).to(picture.device)
    return picture + deviation * _resized(field, picture.shape[1:], "nearest-exact")


def _defocus(picture: Tensor, radius: float, generator: Generator) -> Tensor:
    radius *= _unit(picture)
    reach = math.ceil(radius)
    offsets = torch.arange(-reach, reach + 1.0)
    distance = torch.hypot(offsets[:, None], offsets)
    disc = (radius + 0.5 - distance).clamp(0, 1)  # with a soft edge
    return _filtered(picture, disc / disc.sum())


def _motion(picture: Tensor, length: float, generator: Generator) -> Tensor:
    # Mostly sideways, as in a turn; along the road there is hardly any.
    angle = math.radians(20) * (2 * torch.rand((), generator=generator).item() - 1)
    line = _line(length * _unit(picture), math.cos(angle), math.sin(angle))
    return _filtered(picture, line / line.sum())


def _fog(picture: Tensor, density: float, generator: Generator) -> Tensor:
    clouds = torch.zeros(1, *picture.shape[1:], device=picture.device)
    for octave in range(1, 7):
        field = torch.rand((1, 2**octave, 2**octave), generator=generator).to(picture.device)
        clouds += _resized(field, picture.shape[1:]) / 2**octave
    veil = density * (0.6 + 0.4 * clouds)
    return picture * (1 - veil) + _FOG_GREY * veil


def _rain(picture: Tensor, share: float, generator: Generator) -> Tensor:
    rows, columns = _grid(picture, _RAIN_ROWS)
    slant = math.radians(90 + 24 * (torch.rand((), generator=generator).item() - 0.5))
    drops = (torch.rand((1, rows, columns), generator=generator) < share).float()
    streak = _line(_RAIN_ROWS * _STREAK, math.cos(slant), math.sin(slant))
    streaks = _filtered(drops.to(picture.device), streak).clamp(0, 1)
    veil = _STREAK_OPACITY * _resized(streaks, picture.shape[1:])
    return picture * (1 - veil) + _STREAK_GREY * veil


def _night(picture: Tensor, gamma: float, generator: Generator) -> Tensor:
    return picture**gamma / gamma


def _brightness(picture: Tensor, added: float, generator: Generator) -> Tensor:
    return picture + added


def _jpeg(picture: Tensor, quality: float, generator: Generator) -> Tensor:
    # Blocks of eight pixels are nothing at full size: the loss is that of a small picture.
    height = picture.shape[1]
    size = _grid(picture, _GRAIN_ROWS) if height > _GRAIN_ROWS else picture.shape[1:]
    small = _resized(picture, size)
    levels = (small * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    bgr = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, int(quality)))
    decoded = cv2.cvtColor(as_uint8(cv2.imdecode(content, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
    loss = torch.from_numpy(decoded - levels.astype(np.float32)).permute(2, 0, 1) / 255
    return picture + _resized(loss.to(picture.device), picture.shape[1:])


_FOG_GREY: Final = 0.85
_STREAK_GREY: Final = 0.8
_STREAK_OPACITY: Final = 0.6
_STREAK: Final = 0.06  # its length as a share of the height

_Change = Callable[[Tensor, float, Generator], Tensor]
#: The change, and its parameter by severity: standard deviation of 0–1; pixels of a full frame
#: (see _DIAGONAL) twice; share of the light that is fog; drops by cell; exponent; light added;
#: quality.
_CHANGES: Final[dict[str, tuple[_Change, tuple[float, ...]]]] = {
    "noise": (_noise, (0.04, 0.07, 0.11, 0.17, 0.25)),
    "defocus": (_defocus, (4, 6, 9, 13, 18)),
    "motion": (_motion, (12, 20, 30, 44, 60)),
    "fog": (_fog, (0.2, 0.35, 0.5, 0.65, 0.8)),
    "rain": (_rain, (0.001, 0.002, 0.004, 0.008, 0.014)),
    "night": (_night, (1.15, 1.35, 1.65, 2.1, 2.8)),
    "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "jpeg": (_jpeg, (40, 25, 15, 9, 5)),
}


# --- fields and filters -----------------------------------------------------------------------


def _unit(picture: Tensor) -> float:
    """How many pixels of (C, H, W) one pixel of a full frame is."""
    return math.hypot(*picture.shape[1:]) / _DIAGONAL


def _grid(picture: Tensor, rows: int) -> tuple[int, int]:
    """The size of a grid of `rows` rows in the proportions of (C, H, W)."""
    height, width = picture.shape[1:]
    return rows, max(1, round(rows * width / height))


def _resized(field: Tensor, size: Sequence[int], enlarging: str = "bilinear") -> Tensor:
    """(C, h, w) to the (H, W) of `size`: by means of areas where that is smaller."""
    if list(field.shape[1:]) == list(size):
        return field
    mode = "area" if size[0] <= field.shape[1] and size[1] <= field.shape[2] else enlarging
    return F.interpolate(field[None], tuple(size), mode=mode)[0]


def _line(length: float, right: float, down: float) -> Tensor:
    """(K, K) weights, not above 1: a line of `length` pixels through the middle, with soft edges.

    (`right`, `down`) is its direction, of length 1.
    """
    reach = max(1, math.ceil(length / 2))
    offsets = torch.arange(-reach, reach + 1.0)
    along = (offsets * right + offsets[:, None] * down).abs()
    across = (offsets[:, None] * right - offsets * down).abs()
    return (length / 2 + 0.5 - along).clamp(0, 1) * (1 - across).clamp(0, 1)


def _filtered(picture: Tensor, weights: Tensor) -> Tensor:
    """(C, H, W) filtered with (K, K) `weights`, K odd, that are the same upside down.

    The border is repeated, so that blur leaves no dark rim.
    """
    reach = len(weights) // 2
    padded = F.pad(picture[None], (reach,) * 4, mode="replicate")[0]
    size = padded.shape[1:]
    # By Fourier transforms: the largest blur has a thousand weights, a frame six million values.
    kernel = padded.new_zeros(size)
    kernel[: 2 * reach + 1, : 2 * reach + 1] = weights.to(padded)
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel)
    whole: Tensor = torch.fft.irfft2(spectrum, s=size)  # shifted by the middle of the kernel
    return whole[:, 2 * reach :, 2 * reach :]
