"""Scores of a network over the validation frames, at training size, while it is in training."""

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
    """`loss` is the mean over labelled pixels, NaN where there are none."""

    scores: Scores
    loss: float
    panels: list[Panel]


@torch.inference_mode()
def validate(parts: Parts, should_stop: Callable[[], bool]) -> Validation | None:
    """Predict all validation frames; None if `should_stop` said so before the end.

    Raises TrainingError if the loss is no number.
    """
    parts.kept.eval()
    confusion = torch.zeros(NUM_CLASSES * NUM_CLASSES, dtype=torch.int64, device=parts.device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=parts.device)
    count, position, panels = len(parts.val_names), 0, []
    wanted = set(np.linspace(0, count - 1, min(_PANELS, count)).astype(int).tolist())
    for images, masks in parts.val.batches(np.arange(count), parts.config.batch_size):
        if should_stop():
            return None
        logits, truth = parts.forward(normalise(as_pixels(images)), parts.kept), masks.long()
        predicted, valid = logits.argmax(1), truth != IGNORE
        loss_sum += parts.loss(logits, truth).double() * valid.sum()
        confusion += torch.bincount(
            truth[valid] * NUM_CLASSES + predicted[valid], minlength=NUM_CLASSES * NUM_CLASSES
        )
        for index in sorted(wanted & set(range(position, position + len(images)))):
            arrays = (images, masks, predicted.to(torch.uint8))
            shown = (tensor[index - position].cpu().numpy() for tensor in arrays)
            panels.append(Panel(parts.val_names[index], *shown))
        position += len(images)
    matrix = confusion.view(NUM_CLASSES, NUM_CLASSES).cpu().numpy()
    total, pixels = float(loss_sum), int(matrix.sum())
    if not math.isfinite(total):
        raise parts.diverged()
    return Validation(
        scores_from_train_confusion(matrix), total / pixels if pixels else math.nan, panels
    )
