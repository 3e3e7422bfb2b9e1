"""The update rule and its learning rate over a run."""

import math

import torch
from torch import nn

from cityseg.config import TrainConfig


def build_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a configuration, over all parameters of `model`."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]  # norms and biases: not decayed
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=all(p.is_cuda for p in decayed))


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of `step`, counted from 0, in a run of `steps` steps."""
    peak, warmup = config.learning_rate, min(config.warmup_steps, max(steps - 1, 0))
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    # `step` passes `steps` if frames were removed from the dataset before the run was resumed.
    progress = min((step - warmup) / max(steps - warmup, 1), 1.0)
    if config.schedule == "cosine":
        return peak * (1 + math.cos(math.pi * progress)) / 2
    if config.schedule == "poly":
        return float(peak * (1 - progress) ** 0.9)
    return peak
