"""Scores of a network on the validation frames, at the size of training, after an epoch."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import torch

from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics import Scores, scores_from_train_confusion
from cityseg.models.inputs import as_pixels, normalise
from cityseg.runs.panels import Panel
from cityseg.training.state import Parts, never_predicted

_PANELS: Final = 4


class Validation(NamedTuple):
    """Scores, loss, and predictions of a few frames.

    `loss` is the mean of the loss of each batch, weighted by the batch's labelled pixels; NaN if
    there are none. For cross-entropy without class weights this is the mean over labelled pixels.
    The other losses are no such means: for them it depends also on how frames are batched, so it
    can be compared between epochs of a run, but not between batch sizes. Pixels of classes that the
    network never predicts do not count: the loss of one is as large as that of thousands of others.
    """

    scores: Scores
    loss: float
    panels: list[Panel]


@torch.inference_mode()
def validate(parts: Parts, should_stop: Callable[[], bool]) -> Validation | None:
    """Predict all validation frames; None if `should_stop` returned true before the end.

    Each rank predicts its share of each batch; the result is that of all of them, on each.

    Raises TrainingError if the loss is not finite.
    """
    ranks = parts.ranks
    parts.kept.eval()
    ranks.share_buffers(parts.kept)
    confusion = torch.zeros(NUM_CLASSES * NUM_CLASSES, dtype=torch.int64, device=parts.device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=parts.device)
    counted_sum = torch.zeros((), dtype=torch.int64, device=parts.device)
    is_off = torch.zeros(IGNORE + 1, dtype=torch.bool, device=parts.device)
    is_off[:NUM_CLASSES] = never_predicted(parts.kept)
    count, panels = len(parts.val_names), list[tuple[int, Panel]]()
    shown_indices = set(np.linspace(0, count - 1, min(_PANELS, count)).astype(int).tolist())
    size = parts.config.batch_size
    batches = parts.val.batches(np.arange(count), size, ranks)
    for number, (images, masks) in enumerate(batches):
        (stopping,) = ranks.any(should_stop())
        if stopping:
            return None
        logits, truth = parts.forward(normalise(as_pixels(images)), parts.kept), masks.long()
        predicted, valid = logits.argmax(1), truth != IGNORE
        counted = torch.where(is_off[truth], IGNORE, truth)
        pixels = ranks.total((counted != IGNORE).sum())
        loss_sum += parts.loss(logits, counted).double() * pixels
        counted_sum += pixels
        confusion += torch.bincount(
            truth[valid] * NUM_CLASSES + predicted[valid], minlength=NUM_CLASSES * NUM_CLASSES
        )
        own = range(number * size + ranks.number, count, ranks.world)[: len(images)]
        for place, index in enumerate(own):
            if index in shown_indices:
                arrays = (images, masks, predicted.to(torch.uint8))
                frame = (tensor[place].cpu().numpy() for tensor in arrays)
                panels.append((index, Panel(parts.val_names[index], *frame)))
    matrix = ranks.total(confusion).view(NUM_CLASSES, NUM_CLASSES).cpu().numpy()
    total, labelled = float(loss_sum), int(counted_sum)
    if not math.isfinite(total):
        raise parts.diverged()
    loss = total / labelled if labelled else math.nan
    shown = [panel for _, panel in sorted(ranks.collected(panels), key=lambda each: each[0])]
    return Validation(scores_from_train_confusion(matrix), loss, shown)
