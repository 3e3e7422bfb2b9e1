"""Predictions for a few fixed frames, kept in the run folder from epoch to epoch."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import (
    HEIGHT,
    WIDTH,
    content_of,
    files_limited_to,
    make_city,
    make_run,
    tiny_config,
    trained,
)

from cityseg.data.dataset import find_frames
from cityseg.data.store.store import open_store
from cityseg.errors import RunError
from cityseg.geometry import Geometry
from cityseg.models import build_model
from cityseg.models.inputs import as_pixels, normalise
from cityseg.runs.checkpoints import load_weights
from cityseg.runs.folder import RunDir
from cityseg.runs.panels import Panel, keep_panels, load_panels, panel_epochs
from cityseg.training.loop import train


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path))


def panels(seed: int, names: tuple[str, ...] = ("val/ulm/a", "val/köln/b")) -> list[Panel]:
    rng = np.random.default_rng(seed)
    return [
        Panel(
            name,
            np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8),
            np.random.default_rng(number).integers(0, 19, (6, 8), np.uint8),
            rng.integers(0, 19, (6, 8), np.uint8),
        )
        for number, name in enumerate(names)
    ]


def assert_equal(found: list[Panel], expected: list[Panel]) -> None:
    assert [panel.name for panel in found] == [panel.name for panel in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth, other.truth)
        np.testing.assert_array_equal(one.prediction, other.prediction)


# In training


def test_a_run_keeps_what_its_network_predicts_after_each_epoch(data: Path) -> None:
    run = trained(data, epochs=2, save_every=1)
    assert panel_epochs(run) == [1, 2]
    store = open_store(
        find_frames(data, ["val"]),
        data / "masks",
        run.path.parent / ".store",
        Geometry((HEIGHT, WIDTH)),
    )
    shown = load_panels(run, 1)
    assert [panel.name for panel in shown] == [store.rows[i].frame for i in (0, 1, 2, 4)]
    model = build_model("unet", width=2)
    model.load_state_dict(load_weights(run.of_epoch(1)).weights)
    for panel, place in zip(shown, (0, 1, 2, 4), strict=True):
        np.testing.assert_array_equal(panel.image, store.images[place])
        np.testing.assert_array_equal(panel.truth, store.masks[place])
        pixels = torch.from_numpy(np.array(store.images[place])).unsqueeze(0)
        with torch.inference_mode():
            predicted = model.eval()(normalise(as_pixels(pixels))).argmax(1)[0]
        np.testing.assert_array_equal(panel.prediction, predicted.numpy())


def test_a_run_that_was_stopped_in_between_keeps_the_same(data: Path) -> None:
    whole, run = trained(data, epochs=3), make_run(data, epochs=3)
    calls = iter(range(1000))
    assert train(run, should_stop=lambda: next(calls) == 11)["status"] == "stopped"
    assert panel_epochs(run) == [1]
    train(run)
    assert content_of(run.panels) == content_of(whole.panels)


def test_a_city_with_one_frame_to_validate_on_has_one_panel(tmp_path: Path) -> None:
    run = trained(make_city(tmp_path / "data", train=2, val=1), epochs=1)
    assert len(load_panels(run, 1)) == 1


def test_pictures_that_cannot_be_written_end_no_training(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(data, epochs=1)
    run.panels.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert train(run)["status"] == "done"
    assert "The predictions of epoch 1 cannot be kept (" in caplog.text


# In the folder


def test_panels_are_loaded_as_they_were_kept(run: RunDir) -> None:
    first, second = panels(1), panels(2)
    keep_panels(run, 1, 2, first)
    keep_panels(run, 2, 2, second)
    assert_equal(load_panels(run, 1), first)
    assert_equal(load_panels(run, 2), second)


def test_an_epoch_that_is_repeated_takes_the_place_of_what_was_there(run: RunDir) -> None:
    for epoch in (1, 2, 3):
        keep_panels(run, epoch, 3, panels(epoch))
    keep_panels(run, 2, 3, panels(7))
    assert panel_epochs(run) == [1, 2]
    assert_equal(load_panels(run, 2), panels(7))


def test_a_long_run_keeps_about_a_hundred_epochs_evenly_and_the_newest(run: RunDir) -> None:
    for epoch in range(1, 252):
        keep_panels(run, epoch, 1000, panels(epoch))
    assert panel_epochs(run) == [*range(1, 252, 10)]
    keep_panels(run, 252, 1000, panels(252))
    assert panel_epochs(run) == [*range(1, 252, 10), 252]


@pytest.mark.parametrize(("epochs", "kept"), [(100, 100), (101, 51), (200, 101), (10_000, 101)])
def test_no_run_keeps_many_more_than_a_hundred(run: RunDir, epochs: int, kept: int) -> None:
    keep_panels(run, 1, epochs, panels(0))
    for epoch in range(2, epochs):
        run.panels_of_epoch(epoch).touch()
    keep_panels(run, epochs, epochs, panels(0))
    assert len(panel_epochs(run)) == kept


def test_panels_of_other_frames_replace_all(run: RunDir) -> None:
    keep_panels(run, 1, 3, panels(1))
    other = panels(2, ("val/ulm/c",))
    keep_panels(run, 2, 3, other)
    assert panel_epochs(run) == [2]
    assert_equal(load_panels(run, 2), other)


def test_panels_with_another_truth_replace_all(run: RunDir) -> None:
    keep_panels(run, 1, 3, panels(1))
    changed = [
        panel.__class__(panel.name, panel.image, panel.truth + 1, panel.prediction)
        for panel in panels(2)
    ]
    keep_panels(run, 2, 3, changed)
    assert panel_epochs(run) == [2]
    assert_equal(load_panels(run, 2), changed)


def test_a_full_disk_leaves_what_was_kept(run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    keep_panels(run, 1, 2, panels(1))
    before = content_of(run.panels)
    with files_limited_to(10):
        keep_panels(run, 2, 2, panels(2))
    assert "File too large" in caplog.text
    assert content_of(run.panels) == before


def test_an_epoch_that_was_not_kept_is_a_run_error(run: RunDir) -> None:
    keep_panels(run, 1, 2, panels(1))
    with pytest.raises(RunError, match=r"epoch 2 in .*panels cannot be shown .*No such file"):
        load_panels(run, 2)


@pytest.mark.parametrize("name", ["images.png", "truth.png", "epoch-001.png", "frames.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"frames": ["one", "two", "three", "four", "5"]}']
)
def test_damaged_files_are_a_run_error(run: RunDir, name: str, content: bytes) -> None:
    keep_panels(run, 1, 2, panels(1))
    (run.panels / name).write_bytes(content)
    with pytest.raises(RunError, match=r"epoch 1 in .* cannot be shown"):
        load_panels(run, 1)
