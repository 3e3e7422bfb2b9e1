"""Validation: what its loss is a mean of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import VAL_FRAMES, make_city, make_run, one_thread

from cityseg.models.inputs import as_pixels, normalise
from cityseg.training.state import Parts, assemble
from cityseg.training.validation import validate

BATCH_SIZE = 2


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_city(tmp_path_factory.mktemp("validation") / "data")


def parts_with(data: Path, loss: str, **values: object) -> Parts:
    return assemble(make_run(data, loss=loss, batch_size=BATCH_SIZE, **values), None)


@torch.inference_mode()
def batch_losses(parts: Parts, batch_size: int) -> tuple[list[float], list[int]]:
    """The loss of each batch of validation frames, and its labelled pixels."""
    parts.model.eval()
    losses, labelled = [], []
    for images, masks in parts.val.batches(np.arange(VAL_FRAMES), batch_size):
        logits = parts.forward(normalise(as_pixels(images)))
        losses.append(float(parts.loss(logits, masks.long())))
        labelled.append(int((masks != 255).sum()))
    return losses, labelled


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "cross_entropy+lovasz", "ohem"])
@pytest.mark.parametrize("class_weights", ["none", "inverse_log"])
def test_the_loss_is_that_of_batches_weighted_by_their_labelled_pixels(
    data: Path, loss: str, class_weights: str
) -> None:
    parts = parts_with(data, loss, class_weights=class_weights)
    losses, labelled = batch_losses(parts, BATCH_SIZE)
    validation = validate(parts, lambda: False)
    assert validation
    assert validation.loss == pytest.approx(np.average(losses, weights=labelled), rel=1e-6)


def test_for_plain_cross_entropy_this_is_the_mean_over_labelled_pixels(data: Path) -> None:
    parts = parts_with(data, "cross_entropy")
    validation, ((whole,), _) = validate(parts, lambda: False), batch_losses(parts, VAL_FRAMES)
    assert validation
    assert validation.loss == pytest.approx(whole, rel=1e-5)


def test_for_dice_it_is_not(data: Path) -> None:
    parts = parts_with(data, "dice")
    validation, ((whole,), _) = validate(parts, lambda: False), batch_losses(parts, VAL_FRAMES)
    assert validation
    assert validation.loss != pytest.approx(whole, rel=1e-6)
