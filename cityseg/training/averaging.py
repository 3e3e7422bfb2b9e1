"""A running mean of a network's weights over the steps of its training.

It is scored and kept in place of the weights themselves, which jump about at a high learning rate.
Source: Tarvainen and Valpola, Mean teachers, 2017; the rising decay is that of TensorFlow's EMA.
"""

import copy
from itertools import compress

import torch
from torch import nn


def average_of(model: nn.Module) -> nn.Module:
    """A copy of `model` for `follow` to update: same names, nothing to train."""
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move `average` towards `model` after step number `step`, counted from 1.

    The first steps count more than `decay` says, or the random start would weigh for long. The
    running statistics of batch norms are averaged as well; whole numbers are copied.
    """
    share = 1 - min(decay, step / (step + 9))
    means, values = (list(each.state_dict().values()) for each in (average, model))
    is_number = [mean.is_floating_point() for mean in means]
    torch._foreach_lerp_(list(compress(means, is_number)), list(compress(values, is_number)), share)
    for mean, value, moves in zip(means, values, is_number, strict=True):
        if not moves:
            mean.copy_(value)
