"""The update rule and its learning rate over a run."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from cityseg.config import TrainConfig
from cityseg.models import encoder_of


def build_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a configuration, over all parameters of `model`.

    A group with a `rate_factor` has that share of the learning rate.
    """
    encoder = encoder_of(model)
    own = set() if encoder is None else {id(p) for p in encoder.parameters()}
    if config.encoder_rate == 1:  # groups as in states saved before there was a choice
        groups = _groups(config, list(model.parameters()))
    else:
        groups = _groups(config, [p for p in model.parameters() if id(p) not in own])
        groups += [
            group | {"rate_factor": config.encoder_rate}
            for group in _groups(config, [p for p in model.parameters() if id(p) in own])
        ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    on_gpu = all(p.is_cuda for p in model.parameters())
    return kind(groups, lr=config.learning_rate, fused=on_gpu)


def _groups(config: TrainConfig, parameters: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    decayed = [p for p in parameters if p.ndim > 1]
    free = [p for p in parameters if p.ndim <= 1]  # norms and biases: not decayed
    return [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def hold_encoder(config: TrainConfig, model: nn.Module, step: int) -> None:
    """For `step`, counted from 0, hold the encoder of `model` as it is, or let it learn.

    A held encoder has no gradients, and its batch norms keep their statistics: the first gradients
    of a decoder that knows nothing yet would undo what the encoder has learned elsewhere.
    """
    encoder = encoder_of(model)
    if config.freeze_steps and encoder is not None:
        learns = step >= config.freeze_steps
        encoder.requires_grad_(learns).train(learns)


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
