"""Training a run from its folder: the loop, and the parts of a step.

Importing this package loads torch.
"""

from cityseg.training.augment import epoch_order, epoch_views
from cityseg.training.batches import FrameSource
from cityseg.training.failures import torch_errors_explained
from cityseg.training.loop import LOG_EVERY, settle, take_step, train
from cityseg.training.losses import Loss, build_loss
from cityseg.training.optimizers import build_optimizer
from cityseg.training.state import Parts, new_model
from cityseg.training.torch_setup import torch_set_up

__all__ = [
    "LOG_EVERY",
    "FrameSource",
    "Loss",
    "Parts",
    "build_loss",
    "build_optimizer",
    "epoch_order",
    "epoch_views",
    "new_model",
    "settle",
    "take_step",
    "torch_errors_explained",
    "torch_set_up",
    "train",
]
