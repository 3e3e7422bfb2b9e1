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
from cityseg.training.state import Parts

_PANELS: Final = 4


class Validation(NamedTuple):
    """Scores, loss, and predictions of a few frames.

    `loss` is the mean of the loss of each batch, weighted by the batch's labelled pixels; NaN if
    there are none. For cross-entropy without class weights this is the mean over labelled pixels.
    The other losses are no such means: for them it depends also on how frames are batched, so it
    can be compared between epochs of a run, but not between batch sizes.
    """

    scores: Scores
    loss: float
    panels: list[Panel]


@torch.inference_mode()
def validate(parts: Parts, should_stop: Callable[[], bool]) -> Validation | None:
    """Predict all validation frames; None if `should_stop` returned true before the end.

    Raises TrainingError if the loss is not finite.
    """
    parts.kept.eval()
    confusion = torch.zeros(NUM_CLASSES * NUM_CLASSES, dtype=torch.int64, device=parts.device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=parts.device)
    count, position, panels = len(parts.val_names), 0, []
    shown_indices = set(np.linspace(0, count - 1, min(_PANELS, count)).astype(int).tolist())
    for images, masks in parts.val.batches(np.arange(count), parts.config.batch_size):
        if should_stop():
            return None
        logits, truth = parts.forward(normalise(as_pixels(images)), parts.kept), masks.long()
        predicted, valid = logits.argmax(1), truth != IGNORE
        loss_sum += parts.loss(logits, truth).double() * valid.sum()
        confusion += torch.bincount(
            truth[valid] * NUM_CLASSES + predicted[valid], minlength=NUM_CLASSES * NUM_CLASSES
        )
        for index in sorted(shown_indices & set(range(position, position + len(images)))):
            arrays = (images, masks, predicted.to(torch.uint8))
            frame = (tensor[index - position].cpu().numpy() for tensor in arrays)
            panels.append(Panel(parts.val_names[index], *frame))
        position += len(images)
    matrix = confusion.view(NUM_CLASSES, NUM_CLASSES).cpu().numpy()
    total, labelled = float(loss_sum), int(matrix.sum())
    if not math.isfinite(total):
        raise parts.diverged()
    return Validation(
        scores_from_train_confusion(matrix), total / labelled if labelled else math.nan, panels
    )
