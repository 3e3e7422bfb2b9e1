"""Frames of a store as batches on the device: a gather from one array, without a DataLoader.

Frames are decoded already, so there is nothing for a DataLoader's worker processes to do. They
would outlive a killed trainer, hold on to its GPU, and make resuming inexact.
"""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cityseg.arrays import Uint8Array
from cityseg.data.store import RESIDENT_SHARE, Store
from cityseg.models.devices import on_device
from cityseg.system import map_in_threads
from cityseg.training.ranks import ALONE, Ranks


class FrameSource:
    """Gathers batches from a store, whose frames stay on the GPU if they fit there."""

    def __init__(self, store: Store, device: torch.device) -> None:
        """Copy the arrays of `store` to `device` if it is a GPU with room for them."""
        self.store, self.device = store, device
        self.images: Uint8Array | Tensor = store.images
        self.masks: Uint8Array | Tensor = store.masks
        self.resident = device.type == "cuda" and (
            store.images.nbytes + store.masks.nbytes
            < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
        )
        if self.resident:
            self.images = torch.from_numpy(np.array(store.images)).to(device)
            self.masks = torch.from_numpy(np.array(store.masks)).to(device)

    def refresh(self, position: int) -> None:
        """Take over a row that has changed in the store."""
        if isinstance(self.images, Tensor) and isinstance(self.masks, Tensor):
            self.images[position] = torch.from_numpy(np.array(self.store.images[position]))
            self.masks[position] = torch.from_numpy(np.array(self.store.masks[position]))

    def batches(
        self, order: npt.NDArray[np.int64], batch_size: int, ranks: Ranks = ALONE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (B, H, W, 3) images and (B, H, W) masks, uint8 on the device, in `order`.

        `order` is (N,) int64, indices of frames; the last batch may be smaller. Of each batch, only
        the share of this one of `ranks` is yielded, which may be empty. On a GPU without room for
        all frames, a thread gathers the next two batches into pinned memory during work on the
        current one; only from there can the GPU copy without making the program wait.
        """
        starts = range(0, len(order), batch_size)
        parts = [ranks.share(order[start : start + batch_size]) for start in starts]
        if self.resident or self.device.type == "cpu":
            for part in parts:
                yield self._gather(part)
            return
        with closing(map_in_threads(self._gather, parts, workers=1)) as gathered:
            for images, masks in gathered:
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
