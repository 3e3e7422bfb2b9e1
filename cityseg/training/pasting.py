"""Copy-paste within a batch: pixels of rare classes of one frame over the next frame.

Both frames have been augmented, so an object appears at scales and places where it was never
photographed. Source: Ghiasi et al., Simple Copy-Paste, 2021.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cityseg.config import TrainConfig
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.models.devices import on_device
from cityseg.training.augment import generator

#: A class with a smaller share of the labelled pixels is rare: a third of those of Cityscapes.
RARE_SHARE: Final = 0.005


def rare_classes(class_pixels: npt.NDArray[np.int64]) -> Tensor:
    """(256,) bool: whether a train id is one of a rare class; `class_pixels` as of a store."""
    counts = class_pixels[:NUM_CLASSES].astype(np.float64)
    is_rare = torch.zeros(IGNORE + 1, dtype=torch.bool)
    is_rare[:NUM_CLASSES] = torch.from_numpy(counts < RARE_SHARE * counts.sum())
    return is_rare


def epoch_pastes(count: int, config: TrainConfig, epoch: int) -> npt.NDArray[np.bool_]:
    """(count,) bool: whether the frame at each position of an epoch has something pasted in."""
    return generator(config.seed, epoch, 4).random(count) < config.copy_paste


def paste(
    inputs: Tensor, truth: Tensor, pastes: npt.NDArray[np.bool_], is_rare: Tensor
) -> tuple[Tensor, Tensor]:
    """Paste what is rare in the frame before, into the frames of a batch that `pastes` names.

    `inputs` is (B, 3, h, w), `truth` (B, h, w), `pastes` (B,); the first frame takes from the last.
    """
    others = truth.roll(1, 0)
    taken = is_rare[others] & on_device(pastes, truth.device)[:, None, None]
    return inputs.roll(1, 0).where(taken.unsqueeze(1), inputs), others.where(taken, truth)
