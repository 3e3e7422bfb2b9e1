"""Copy-paste: what is rare in a frame lies over the next one, and a resumed run pastes the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import make_city, make_run, state_of, tiny_config, trained

from cityseg.labels import IGNORE
from cityseg.training.loop import train
from cityseg.training.pasting import epoch_pastes, paste, rare_classes

ROAD, SIGN = 0, 7


def test_rare_pixels_of_the_frame_before_are_pasted_with_their_labels() -> None:
    truth = torch.tensor([[[ROAD, SIGN]], [[ROAD, ROAD]], [[IGNORE, SIGN]]])
    inputs = torch.arange(18.0).view(3, 3, 1, 2)
    is_rare = torch.zeros(256, dtype=torch.bool)
    is_rare[SIGN] = True
    pasted, labels = paste(inputs, truth, np.array([True, True, False]), is_rare)
    assert labels.tolist() == [[[ROAD, SIGN]], [[ROAD, SIGN]], [[IGNORE, SIGN]]]
    assert torch.equal(pasted[0, ..., 1], inputs[2, ..., 1])
    assert torch.equal(pasted[1, ..., 1], inputs[0, ..., 1])
    assert torch.equal(pasted[:2, ..., 0], inputs[:2, ..., 0])
    assert torch.equal(pasted[2], inputs[2])


def test_classes_are_rare_by_their_share_of_the_labelled_pixels() -> None:
    pixels = np.zeros(20, np.int64)
    pixels[[ROAD, SIGN, 8, 19]] = 9_950, 49, 51, 10**6
    is_rare = rare_classes(pixels)
    assert is_rare[[ROAD, SIGN, 8, IGNORE]].tolist() == [False, True, False, False]


def test_frames_are_chosen_by_seed_and_epoch(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, copy_paste=0.25, seed=3)
    chosen = epoch_pastes(4000, config, 1)
    assert chosen.mean() == pytest.approx(0.25, abs=0.03)
    assert np.array_equal(chosen, epoch_pastes(4000, config, 1))
    assert not np.array_equal(chosen, epoch_pastes(4000, config, 2))
    other = config.model_copy(update={"seed": 4})
    assert not np.array_equal(chosen, epoch_pastes(4000, other, 1))
    assert epoch_pastes(9, config.model_copy(update={"copy_paste": 1.0}), 1).all()


def test_a_resumed_run_ends_as_one_that_was_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.training.pasting.RARE_SHARE", 0.2)  # cars and buildings
    data = make_city(tmp_path / "city")
    whole = trained(data, copy_paste=0.5)
    cut = make_run(data, copy_paste=0.5)
    calls = iter(range(99))
    train(cut, should_stop=lambda: next(calls) == 2)
    assert state_of(cut)["position"]["total_steps"] == 3
    train(cut)
    plain = trained(data)
    assert state_of(cut) == state_of(whole)
    assert state_of(plain)["model"] != state_of(whole)["model"]
