"""Frames of a store as batches on the device: a gather, no loader and no worker processes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cityseg.arrays import Uint8Array
from cityseg.data.store import RESIDENT_SHARE, Store
from cityseg.models.devices import on_device

_Part = TypeVar("_Part")
_Batch = TypeVar("_Batch")


class FrameSource:
    """Gathers batches from a store; frames live on the GPU for good when they fit there."""

    def __init__(self, store: Store, device: torch.device) -> None:
        """Move the arrays of `store` to `device` if it is a GPU with room for them."""
        self.device = device
        self.images: Uint8Array | Tensor = store.images
        self.masks: Uint8Array | Tensor = store.masks
        self.resident = device.type == "cuda" and (
            store.images.nbytes + store.masks.nbytes
            < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
        )
        if self.resident:
            self.images = torch.from_numpy(np.array(store.images)).to(device)
            self.masks = torch.from_numpy(np.array(store.masks)).to(device)

    def batches(
        self, order: npt.NDArray[np.int64], batch_size: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(B, H, W, 3) and (B, H, W) uint8 on the device, frames in `order`, (N,) int64.

        On a GPU without room for all frames, the next batches are gathered into pinned memory
        while the current one is worked on, and copied without waiting.
        """
        parts = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        if self.resident or self.device.type == "cpu":
            for part in parts:
                yield self._gather(part)
            return
        for images, masks in prefetched(self._gather, parts):
            yield (
                images.to(self.device, non_blocking=True),
                masks.to(self.device, non_blocking=True),
            )

    def _gather(self, part: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        if isinstance(self.images, Tensor) and isinstance(self.masks, Tensor):
            index = on_device(part, self.device)
            return self.images[index], self.masks[index]
        images, masks = torch.from_numpy(self.images[part]), torch.from_numpy(self.masks[part])
        if self.device.type == "cuda":
            return images.pin_memory(), masks.pin_memory()
        return images, masks


def prefetched(
    gather: Callable[[_Part], _Batch], parts: Sequence[_Part], ahead: int = 2
) -> Iterator[_Batch]:
    """What `gather` makes of each part, in order; a thread gathers up to `ahead` parts ahead."""
    with ThreadPoolExecutor(1, "cityseg-prefetch") as prefetcher:
        pending = deque(prefetcher.submit(gather, part) for part in parts[:ahead])
        for part in parts[ahead:]:
            batch = pending.popleft().result()
            pending.append(prefetcher.submit(gather, part))
            yield batch
        while pending:
            yield pending.popleft().result()
