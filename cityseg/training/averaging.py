"""A running mean of a network's weights over the steps of its training.

It is scored and kept in place of the weights themselves, which vary from step to step at a high
learning rate. Source: Tarvainen and Valpola, "Mean teachers are better role models", 2017; the
rising decay is that of TensorFlow's ExponentialMovingAverage.
"""

import copy
from itertools import compress

import torch
from torch import nn


def average_of(model: nn.Module) -> nn.Module:
    """A copy of `model` for `follow` to update: the same names of tensors, and no gradients."""
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move `average` towards `model` after step number `step`, counted from 1.

    The first steps weigh more than by `decay`, or the random start would count for thousands of
    steps. The running statistics of batch norms are averaged too; integers are copied.
    """
    share = 1 - min(decay, step / (step + 9))
    means, values = (list(each.state_dict().values()) for each in (average, model))
    is_float = [mean.is_floating_point() for mean in means]
    torch._foreach_lerp_(list(compress(means, is_float)), list(compress(values, is_float)), share)
    for mean, value, moves in zip(means, values, is_float, strict=True):
        if not moves:
            mean.copy_(value)
