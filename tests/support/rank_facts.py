"""What ranks compute together, for a test that computes the same in one process.

A process of `rank_processes` imports this, and the first rank writes the results to a file.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cityseg.config import make_config
from cityseg.training.losses import build_loss
from cityseg.training.ranks import ALONE, Ranks, joined

LOSSES = ("cross_entropy", "cross_entropy+dice", "lovasz", "ohem")
#: Frames of a batch: unequal shares, and none for the last rank.
FRAMES = (5, 1)
CLASS_PIXELS = np.arange(20, dtype=np.int64)


class AgreedError(Exception):
    """Raised by one rank, and then by all."""


def batch(frames: int) -> tuple[Tensor, Tensor]:
    """Logits that differ much, and truth of which a fifth is ignored."""
    generator = torch.Generator().manual_seed(frames)
    logits = 3 * torch.randn((frames, 19, 6, 8), generator=generator)
    truth = torch.randint(0, 24, (frames, 6, 8), generator=generator)
    return logits, truth.where(truth < 19, 255)


def loss_and_gradient(name: str, frames: int, ranks: Ranks = ALONE) -> tuple[float, Tensor]:
    """The loss of a batch, and its gradient at the logits of the share of this rank."""
    logits, truth = batch(frames)
    share = ranks.share(logits).clone().requires_grad_()
    settings = {"loss": name, "class_weights": "inverse_log", "batch_size": 8}
    loss = build_loss(make_config(settings), CLASS_PIXELS, torch.device("cpu"), ranks)
    value = loss(share, ranks.share(truth))
    value.backward()  # type: ignore[no-untyped-call]
    assert share.grad is not None
    return float(value.detach()), share.grad / ranks.world  # as DDP divides it


def write(path: Path) -> None:
    """Compute everything on this rank, and write what all have found."""
    with joined() as ranks:
        found: dict[str, Any] = {
            f"{name} of {frames}": ranks.collected([loss_and_gradient(name, frames, ranks)])
            for name in LOSSES
            for frames in FRAMES
        }
        found["any"] = ranks.any(ranks.number == 1, False)
        found["agreed"] = ranks.collected([agrees(ranks)])
        generators = torch.random.get_rng_state()
        ranks.seed(0, 7)
        found["seeds"] = ranks.collected([torch.initial_seed()])
        torch.random.set_rng_state(generators)
        if ranks.is_first:
            torch.save(found, path)


def agrees(ranks: Ranks) -> bool:
    """Whether an error of the last rank is raised on this one too."""
    try:
        with ranks.agreeing(AgreedError):
            if ranks.number == ranks.world - 1:
                raise AgreedError
    except AgreedError:
        return True
    return False
