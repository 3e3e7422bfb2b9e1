"""Losses by name. Pixels whose label is 255 never count."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cityseg.config import TrainConfig
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.training.ranks import ALONE, Ranks

#: (B, classes, H, W) logits and (B, H, W) int64 train ids to a scalar.
Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(
    config: TrainConfig,
    class_pixels: npt.NDArray[np.int64],
    device: torch.device,
    ranks: Ranks = ALONE,
) -> Loss:
    """The loss of a configuration; of several ranks, that of all their frames together.

    `class_pixels` is (20,) int64, as in `Store.class_pixels`: the pixels of each train id, and last
    the ignored ones.
    """
    weight = None
    if config.class_weights == "inverse_log":
        weight = inverse_log_weights(class_pixels).to(device)

    def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
        total = F.cross_entropy(
            logits.float(),
            truth,
            weight,
            ignore_index=IGNORE,
            reduction="sum",
            label_smoothing=config.label_smoothing,
        )
        valid = truth != IGNORE
        norm = valid.sum() if weight is None else (weight[truth * valid] * valid).sum()
        # 0 for a batch without labels, where a mean is NaN.
        return ranks.total(total) / ranks.total(norm).clamp_min(1)

    def thinned_lovasz(logits: Tensor, truth: Tensor) -> Tensor:
        step = config.lovasz_stride
        return lovasz(logits[..., ::step, ::step], truth[..., ::step, ::step], ranks)

    def dice_of_all(logits: Tensor, truth: Tensor) -> Tensor:
        return dice(logits, truth, ranks)

    losses: dict[str, Loss] = {
        "cross_entropy": cross_entropy,
        "dice": dice_of_all,
        "lovasz": thinned_lovasz,
        "cross_entropy+dice": lambda logits, truth: (
            cross_entropy(logits, truth) + dice_of_all(logits, truth)
        ),
        "cross_entropy+lovasz": lambda logits, truth: (
            cross_entropy(logits, truth) + thinned_lovasz(logits, truth)
        ),
        "ohem": lambda logits, truth: ohem(logits, truth, weight, ranks=ranks),
    }
    return losses[config.loss]


def inverse_log_weights(class_pixels: npt.NDArray[np.int64]) -> Tensor:
    """(19,) float32: 1 / ln(1.02 + share of the pixels), from 1.4 for all of them to 50 for none.

    Source: Paszke et al., ENet, 2016, section 5.2.
    """
    counts = class_pixels[:NUM_CLASSES].astype(np.float64)
    share = counts / max(counts.sum(), 1)
    return torch.from_numpy((1 / np.log(1.02 + share)).astype(np.float32))


def dice(logits: Tensor, truth: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """One minus the soft Dice coefficient, as a mean over the classes that occur in the batch.

    The denominator is the sum of both, without squares. Source: Milletari et al., V-Net, 2016,
    where it has squares; as here in Sudre et al., 2017.
    """
    valid = (truth != IGNORE).unsqueeze(1)
    probabilities = logits.float().softmax(1) * valid
    target = torch.zeros_like(probabilities).scatter_(1, truth.unsqueeze(1) * valid, valid.float())
    axes = (0, 2, 3)
    overlap = ranks.total((probabilities * target).sum(axes))
    pixels = ranks.total(target.sum(axes))
    coefficient = 2 * overlap / (ranks.total(probabilities.sum(axes)) + pixels).clamp_min(1e-6)
    present = pixels > 0
    return ((1 - coefficient) * present).sum() / present.sum().clamp_min(1)


def lovasz(logits: Tensor, truth: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """The Lovász extension of one minus the IoU, as a mean over the classes in the batch.

    Source: Berman et al., The Lovász-Softmax loss, 2018.
    """
    valid = (truth != IGNORE).flatten()
    probabilities = logits.float().softmax(1)
    total = present = logits.new_zeros((), dtype=torch.float32)
    longest = ranks.largest(truth.numel())
    all_truth = ranks.gathered(truth.flatten(), longest, IGNORE)  # ignored ones are of no class
    for index in range(logits.shape[1]):
        is_class = (truth == index).flatten().float()
        # The error of ignored pixels is set to 0, so they are sorted last and add nothing.
        errors = (is_class - probabilities[:, index].flatten()).abs() * valid
        if ranks.is_alone:
            occurs = is_class.any().float()
            errors, order = errors.sort(descending=True)
            weights = _jaccard_gradient(is_class[order])
        else:  # the order is that of the pixels of all ranks
            all_are = (all_truth == index).float()
            occurs = all_are.any().float()
            order = ranks.gathered(errors, longest, 0).argsort(descending=True)
            all_weights = torch.empty_like(all_are)
            all_weights[order] = _jaccard_gradient(all_are[order])
            weights = all_weights[ranks.number * longest :][: len(errors)]
        total = total + occurs * errors.dot(weights)
        present = present + occurs
    return ranks.total(total) / present.clamp_min(1)


def _jaccard_gradient(is_class: Tensor) -> Tensor:
    """The increase of the Jaccard loss by each further wrong pixel, (P,) float32.

    `is_class` is (P,) of 0 and 1, the pixel with the largest error first.
    """
    pixels = is_class.sum()
    intersection = pixels - is_class.cumsum(0)
    union = pixels + (1 - is_class).cumsum(0)
    jaccard = 1 - intersection / union.clamp_min(1)
    return torch.cat((jaccard[:1], jaccard[1:] - jaccard[:-1]))


def ohem(
    logits: Tensor,
    truth: Tensor,
    weight: Tensor | None = None,
    threshold: float = 0.7,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Cross-entropy over the hard pixels: those whose true class is less likely than `threshold`.

    If they are fewer than a sixteenth of the labelled pixels, the hardest sixteenth is used.
    Source: Shrivastava et al., 2016; for pixels Wu et al., 2016.
    """
    losses = F.cross_entropy(logits.float(), truth, ignore_index=IGNORE, reduction="none")
    valid = truth != IGNORE
    with torch.no_grad():
        difficulty = torch.where(valid, losses, -1.0)
        pixels = ranks.gathered(difficulty.flatten(), ranks.largest(truth.numel()), -1)
        hardest = pixels.topk(math.ceil(pixels.numel() / 16)).values
        # An index on the device: reading the count of labelled pixels here would wait for the GPU.
        last = (ranks.total(valid.sum()) + 15).div(16, rounding_mode="floor").clamp_min(1) - 1
        at_least = hardest.gather(0, last.view(1))
        hard = valid & (difficulty >= at_least.clamp_max(-math.log(threshold)))
    if weight is None:
        return ranks.total((losses * hard).sum()) / ranks.total(hard.sum()).clamp_min(1)
    weights = weight[truth * valid] * hard  # a mean by them, as cross-entropy's is
    return ranks.total((losses * weights).sum()) / ranks.total(weights.sum()).clamp_min(1e-6)
