"""A network in the box, for tests: untrained, tiny, and written as the one that ships."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import tiny_config

from cityseg.labels import CLASS_NAMES
from cityseg.models import model_of
from cityseg.runs import CardScores, network_card, networks
from cityseg.runs.checkpoints import load_weights, save_for_others, save_weights

SCORES = {
    "mean_iou": 0.5,
    "pixel_accuracy": 0.75,
    "class_iou": dict.fromkeys(CLASS_NAMES, 0.5) | {"train": None},
    "val_loss": 1.0,
}


def stand_in(folder: Path, **values: Any) -> Path:
    """Write weights and a card to `folder`; returns the path of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = tiny_config(Path("/somewhere"), **values)
    torch.manual_seed(0)
    save_weights(folder / "whole.safetensors", model_of(config), config, 3, SCORES)
    checkpoint = load_weights(folder / "whole.safetensors")
    weights = folder / "street.safetensors"
    save_for_others(checkpoint, weights)
    (folder / "whole.safetensors").unlink()
    about = {"data": "Some frames", "licence": "For non-commercial use only", "limits": "Many."}
    card = network_card("Street network", config, 3, [CardScores("Validation", SCORES)], **about)
    weights.with_suffix(".md").write_text(card)
    return weights


def fill_box(folder: Path, patch: pytest.MonkeyPatch, **values: Any) -> Path:
    """Let a stand-in in `folder` be the network in the box."""
    patch.setattr(networks, "_FOLDER", folder)
    return stand_in(folder, **values)


def empty_box(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let no network ship."""
    patch.setattr(networks, "_FOLDER", folder / "no-box")
