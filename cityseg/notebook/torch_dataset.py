"""The frames of a split for torch's own DataLoader; loads torch."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cityseg.geometry import Geometry
from cityseg.models.inputs import as_pixels, normalise

if TYPE_CHECKING:
    from cityseg.notebook.dataset import Split


class TorchDataset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Pairs of (3, h, w) float32 and (h, w) int64.

    The first is normalised as networks expect it; the second has train ids, and 255 where ignored:
    CrossEntropyLoss(ignore_index=255). With `size_hw` both are placed into (height, width) as in a
    training, otherwise they have the size of the image.
    """

    def __init__(self, frames: "Split", size_hw: tuple[int, int] | None = None) -> None:
        """Take the frames of a split; nothing is read yet."""
        self.frames = frames
        aspect = frames.dataset.pixel_aspect
        self.geometry = Geometry(size_hw, pixel_aspect=aspect) if size_hw else None

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.frames)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Read a frame; raises ImageError, MaskError or DatasetError as `LabelledFrame` does."""
        image, train_ids = self.frames[index].pair()
        if self.geometry:
            image = self.geometry.place_picture(image)
            train_ids = self.geometry.place_labels(train_ids)
        pixels = normalise(as_pixels(torch.from_numpy(image)[None]))[0]
        return pixels.contiguous(), torch.from_numpy(train_ids).long()
