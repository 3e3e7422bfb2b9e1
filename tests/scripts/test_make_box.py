"""scripts/make_box.py: weights and card, of a run or a file, with scores from elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path

import boxes
import pytest

from cityseg.runs.checkpoints import load_weights

Script = Callable[..., tuple[str, str]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return boxes.stand_in(tmp_path / "run")


def make(script: Script, *arguments: object) -> object:
    """The exit status."""
    with pytest.raises(SystemExit) as ended:
        script("make_box", *arguments)
    return ended.value.code


def test_weights_and_card_are_written(script: Script, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "box" / "street.safetensors"
    scores = tmp_path / "sure.json"
    scores.write_text(json.dumps(boxes.SCORES | {"epoch": 3, "mean_iou": 0.625}))
    assert make(script, weights, "--out", out, "--scores", f"Frankfurt, sure={scores}") == 0
    assert load_weights(out).epoch == 3
    card = out.with_suffix(".md").read_text()
    assert "| Score | Validation in training | Frankfurt, sure |" in card
    assert "| **Mean IoU** | 0.500 | 0.625 |" in card
    assert "non-commercial use only" in card


def test_scores_of_another_epoch_are_refused(
    script: Script, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, scores = tmp_path / "street.safetensors", tmp_path / "old.json"
    scores.write_text(json.dumps(boxes.SCORES | {"epoch": 2}))
    assert make(script, weights, "--out", out, "--scores", f"Old={scores}") == 2
    assert "the scores of epoch 2, but the weights are those of epoch 3" in capsys.readouterr().err
    assert not out.exists()


def test_weights_that_do_not_fit_the_box_are_not_left_there(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = boxes.stand_in(tmp_path / "large", width=32)
    out = tmp_path / "street.safetensors"
    assert make(script, large, "--out", out) == 1
    assert "more than the 12 MB of the box" in capsys.readouterr().out
    assert not out.exists()
