"""The training loop and its parts."""

from cityseg.training.augment import epoch_order, epoch_views
from cityseg.training.batches import FrameSource
from cityseg.training.failures import torch_errors_explained
from cityseg.training.loop import LOG_EVERY, settle, take_step, train
from cityseg.training.losses import Loss, build_loss
from cityseg.training.optimizers import build_optimizer
from cityseg.training.state import Parts, new_model

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
    "train",
]
