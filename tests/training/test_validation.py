"""Validation: its scores against a naive recomputation, and what its loss is a mean of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_runs import (
    HEIGHT,
    VAL_FRAMES,
    WIDTH,
    epoch_rows,
    make_run,
    trained,
)
from torch import Tensor, nn

from cityseg.data import find_frames
from cityseg.data.store import open_store
from cityseg.geometry import training_geometry
from cityseg.labels import CLASS_NAMES, IGNORE
from cityseg.models.inputs import as_pixels, normalise
from cityseg.runs import RunDir
from cityseg.runs.checkpoints import load_weights
from cityseg.training import state as training_parts
from cityseg.training.rows import epoch_row
from cityseg.training.state import Parts, assemble, never_predicted, offer_classes
from cityseg.training.validation import validate

CAR = CLASS_NAMES.index("car")

BATCH_SIZE = 2


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


# Scores


def recomputed(run: RunDir, epoch: int) -> dict[str, Any]:
    """The scores of an epoch's weights, pixel by pixel as they are defined."""
    config, model = run.config(), load_weights(run.of_epoch(epoch)).build()
    model = model.to(memory_format=torch.channels_last)
    frames = find_frames(config.data, ["val"])
    store = open_store(
        frames, config.masks_folder, run.path.parent / ".store", training_geometry(config)
    )
    hits, misses, false = np.zeros(19), np.zeros(19), np.zeros(19)
    losses: list[float] = []
    for start in range(0, len(store), config.batch_size):
        images = torch.tensor(store.images[start : start + config.batch_size])
        inputs = normalise(images.permute(0, 3, 1, 2).float() / 255)
        with torch.inference_mode():
            logits = model(inputs.contiguous(memory_format=torch.channels_last))
        predicted, log_shares = logits.argmax(1).numpy(), F.log_softmax(logits.double(), 1).numpy()
        for place in np.ndindex(predicted.shape):
            frame, row, column = place
            truth = store.masks[start + frame, row, column]
            if truth != 255:
                losses.append(-log_shares[frame, truth, row, column])
                if predicted[place] == truth:
                    hits[truth] += 1
                else:
                    misses[truth] += 1
                    false[predicted[place]] += 1
    union = hits + misses + false
    iou = {
        name: float(hits[i] / union[i]) if union[i] else None for i, name in enumerate(CLASS_NAMES)
    }
    return {
        "mean_iou": np.mean([value for value in iou.values() if value is not None]),
        "class_iou": iou,
        "pixel_accuracy": hits.sum() / (hits.sum() + misses.sum()),
        "val_loss": np.mean(losses),
    }


def test_validation_equals_a_naive_recomputation_from_the_weights_of_each_epoch(
    data: Path,
) -> None:
    run = trained(data, save_every=1, width=4, learning_rate=0.03)
    for row in epoch_rows(run):
        expected = recomputed(run, row["epoch"])
        assert row["class_iou"] == pytest.approx(expected["class_iou"])
        for name in ("mean_iou", "pixel_accuracy", "val_loss"):
            assert row[name] == pytest.approx(expected[name], rel=1e-6)


def test_the_iou_of_a_class_that_is_nowhere_is_null(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_road = torch.full((1, 19, HEIGHT, WIDTH), -9.0)
    only_road[:, 0] = 9

    class OnlyRoad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(1))

        def forward(self, images: Tensor) -> Tensor:
            return (only_road + self.bias).expand(len(images), -1, -1, -1)

    monkeypatch.setattr(training_parts, "model_of", lambda *spec, **settings: OnlyRoad())
    row = epoch_rows(trained(data, epochs=1))[0]
    assert {name for name, iou in row["class_iou"].items() if iou is not None} == {
        "road",
        "building",
        "sky",
        "car",
    }
    assert row["class_iou"]["sky"] == 0
    assert row["mean_iou"] == pytest.approx(row["class_iou"]["road"] / 4)
    assert row["pixel_accuracy"] == pytest.approx(row["class_iou"]["road"])


def test_scores_without_a_labelled_pixel_are_null(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_with(data, "cross_entropy")
    images, masks = next(parts.val.batches(np.arange(VAL_FRAMES), VAL_FRAMES))
    void = SimpleNamespace(batches=lambda *_: [(images, torch.full_like(masks, IGNORE))])
    monkeypatch.setattr(parts, "val", void)
    validation = validate(parts, lambda: False)
    assert validation
    parts.position.frames = 1
    row = epoch_row(parts, validation, 1.0)
    assert (row["mean_iou"], row["pixel_accuracy"], row["val_loss"]) == (None, None, None)
    assert set(row["class_iou"].values()) == {None}


# The loss


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


def test_a_class_that_is_never_predicted_costs_nothing_in_the_loss(data: Path) -> None:
    parts = parts_with(data, "cross_entropy")
    whole = validate(parts, lambda: False)
    ((_, masks),) = parts.val.batches(np.arange(VAL_FRAMES), VAL_FRAMES)
    pixels = torch.bincount(masks.flatten().long(), minlength=256)
    assert pixels[CAR]
    assert not never_predicted(parts.kept).any()
    offered = pixels.numpy().copy()
    offered[CAR] = 0
    offer_classes(parts.kept, offered, only_seen=True)
    assert never_predicted(parts.kept).nonzero().flatten().tolist() == [
        train_id for train_id in range(19) if not offered[train_id]
    ]
    without = validate(parts, lambda: False)
    assert whole
    assert without
    assert without.loss < 2 * whole.loss
    assert without.scores.class_iou["car"] == 0  # as before, its pixels count in the scores
