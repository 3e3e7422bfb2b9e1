"""From coarse logits to the best class of every pixel, without the fine logits in memory.

Interpolating 19 logits to 2048×1024 and then taking the best takes as long as a small network, and
160 MB. Here it is done for a strip of rows at a time, which stays in the cache of a core, and on a
CPU for one class at a time.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cityseg.arrays import Uint8Array
from cityseg.models.devices import on_device

#: Pixels of a strip: few enough for the cache of a core; on a GPU, to bound the memory.
_CPU_STRIP: Final = 1 << 17
_GPU_STRIP: Final = 1 << 22

#: Exponentials from here on lose digits in float32, which ends at exp(−87).
_FAR_BELOW: Final = -40.0

_Floats = npt.NDArray[np.float32]
#: (H, W) uint8 class, and its softmax probability as (H, W) float32, or None.
_Classified = tuple[Uint8Array, _Floats | None]


def classify_logits(
    logits: Tensor, size_hw: Sequence[int], *, with_confidence: bool
) -> _Classified:
    """Interpolate (C, h, w) float32 logits, C ≤ 256, and take the best class of each pixel.

    The result of `F.interpolate(logits, size_hw, mode="bilinear", align_corners=False).argmax()`,
    except for rounding where two classes tie; the first of equal ones wins. Returns (H, W) uint8
    and, with `with_confidence`, (H, W) float32: the softmax probability of that class.
    """
    height, width = size_hw
    on_cpu = logits.device.type == "cpu"
    best, pixels = (_best_by_opencv, _CPU_STRIP) if on_cpu else (_best_by_torch, _GPU_STRIP)
    step = max(1, pixels // width)
    classes = np.empty((height, width), np.uint8)
    confidence = np.empty((height, width), np.float32) if with_confidence else None
    for top in range(0, height, step):
        strip = slice(top, min(top + step, height))
        needed, rows = _rows_between(logits.shape[1], height, strip)
        # Networks put channels last; a strip is reordered within the cache, all of it would not be.
        part = logits[:, needed].contiguous()
        classes[strip], probability = best(part, rows, width, with_confidence)
        if confidence is not None:
            confidence[strip] = probability
    return classes, confidence


class _Rows(NamedTuple):
    """For each row of a strip: the coarse rows above and below it, and the weight of the lower.

    Coarse rows are counted from the first one that the strip needs.
    """

    above: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]  # (rows, 1)


def _rows_between(source: int, target: int, strip: slice) -> tuple[slice, _Rows]:
    """The coarse rows that a strip needs, and how to interpolate between them."""
    # Pixel centres, as align_corners=False has them. A strip cannot be resized by itself: its edge
    # rows depend on coarse rows outside it, and strips would show as seams.
    centres = (np.arange(strip.start, strip.stop) + 0.5) * (source / target) - 0.5
    centres = np.maximum(centres, 0)
    above = centres.astype(np.int64)
    weight = (centres - above).astype(np.float32)[:, None]
    below = np.minimum(above + 1, source - 1)
    first = int(above[0])
    return slice(first, int(below[-1]) + 1), _Rows(above - first, below - first, weight)


def _best_by_opencv(logits: Tensor, rows: _Rows, width: int, with_confidence: bool) -> _Classified:
    """In one thread and within the cache: five times as fast as torch, also on busy cores.

    The rows are interpolated already, so OpenCV only widens them; its INTER_LINEAR uses the same
    pixel centres as torch.
    """
    coarse = logits.numpy()
    planes = coarse[:, rows.above]
    planes += (coarse[:, rows.below] - planes) * rows.weight
    size = width, len(rows.above)
    if not with_confidence:
        return _sweep(planes, size, None)[0], None
    # Softmax of the best class = exp(highest − base) / Σ exp(logit − base) for any base. That of
    # the interpolated best is known before the best of the interpolated ones, and is never below
    # it, so no exponential overflows. If it is far above, all would underflow: then again from the
    # best itself.
    base = _resized(planes.max(axis=0), size)
    classes, highest, total = _sweep(planes, size, base)
    if float((highest - base).min()) < _FAR_BELOW:
        base = highest
        classes, highest, total = _sweep(planes, size, base)
    return classes, cv2.exp(highest - base) / total


def _sweep(
    planes: _Floats, size: tuple[int, int], base: _Floats | None
) -> tuple[Uint8Array, _Floats, _Floats]:
    """Widen (C, h, w) planes to `size`, one at a time: best class, its logit, and Σ exp(· − base).

    The sum is 0 without a `base`.
    """
    highest = _resized(planes[0], size)
    classes = np.zeros(highest.shape, np.uint8)
    total = np.zeros_like(highest) if base is None else cv2.exp(highest - base)
    plane, leads = np.empty_like(highest), np.empty_like(classes)
    for index in range(1, len(planes)):
        cv2.resize(planes[index], size, dst=plane, interpolation=cv2.INTER_LINEAR)
        cv2.compare(plane, highest, cv2.CMP_GT, dst=leads)  # 255 where this class leads, else 0
        cv2.max(plane, highest, dst=highest)
        # Indices only rise, so the maximum of the leaders' is the last leader: no branch, no mask.
        np.maximum(classes, np.bitwise_and(leads, index, out=leads), out=classes)
        if base is not None:
            total += cv2.exp(cv2.subtract(plane, base, dst=plane), dst=plane)
    return classes, highest, np.asarray(total, np.float32)


def _resized(plane: _Floats, size: tuple[int, int]) -> _Floats:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _best_by_torch(logits: Tensor, rows: _Rows, width: int, with_confidence: bool) -> _Classified:
    above, below, weight = (on_device(part, logits.device) for part in rows)
    planes = logits[:, above].lerp(logits[:, below], weight)
    planes = F.interpolate(planes[None], (len(above), width), mode="bilinear")[0]
    highest, best = planes.max(0)
    classes: Uint8Array = best.to(torch.uint8).cpu().numpy()
    if not with_confidence:
        return classes, None
    return classes, (1 / (planes - highest).exp().sum(0)).cpu().numpy()
