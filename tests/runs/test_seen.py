"""Frames, masks, devices and epochs that differ between the attempts of a run are reported."""

import logging
import shutil
from pathlib import Path

import city
import numpy as np
import pytest
from tiny_runs import HEIGHT, WIDTH, epoch_rows, make_city, make_run

from cityseg.jobs import state
from cityseg.runs.folder import RunDir
from cityseg.runs.seen import read_seen, record_seen
from cityseg.training.loop import train


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run that was stopped after its first epoch."""
    run = make_run(make_city(tmp_path / "data", train=4, val=2))
    train(run, should_stop=lambda: len(epoch_rows(run)) == 1)
    return run


def test_frames_that_changed_are_counted_and_the_promise_is_withdrawn(
    run: RunDir, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    city.image_path(data, "tiny_000000_000000", "train").unlink()
    mask = data / "masks" / "val" / "tiny" / "tiny_000000_000001_mask.png"
    mask.write_bytes(city.encode(np.full((HEIGHT, WIDTH), 1, np.uint8)))
    with caplog.at_level(logging.WARNING, "cityseg"):
        summary = train(run)
    (change,) = summary["changes"]
    assert change == (
        "From epoch 2 on, its frames or masks differ: 1 changed (val/tiny/tiny_000000_000001), "
        "1 gone (train/tiny/tiny_000000_000000), so the run does not end exactly as one without "
        "that"
    )
    assert change in caplog.text
    run.write_summary(summary)
    assert state(run).changes == (change,)


def test_frames_that_moved_or_were_touched_are_the_same(run: RunDir, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "data", moved, copy_function=shutil.copyfile)  # with new times
    shutil.rmtree(tmp_path / "data")
    run.begin_attempt(run.config().model_copy(update={"data": moved}))
    assert "changes" not in train(run)


def test_a_run_of_before_the_record_is_said_to_be_unchecked_once(run: RunDir) -> None:
    run.seen_file.unlink()
    stopped = train(run, should_stop=lambda: True)
    assert ["cannot be checked whether" in change for change in stopped["changes"]] == [True]
    assert train(run)["changes"] == stopped["changes"]


@pytest.mark.parametrize("content", ["", "[]", '{"frames": 3}', '{"frames": {}, "device": 1e999}'])
def test_a_damaged_record_is_none(run: RunDir, content: str) -> None:
    run.seen_file.write_text(content)
    assert read_seen(run) is None
    assert state(run).changes == ()


def test_another_device_and_another_schedule_are_changes(run: RunDir) -> None:
    seen = read_seen(run)
    assert seen
    config = run.config().model_copy(update={"epochs": 9, "schedule": "cosine"})
    changes = record_seen(run, config, seen.frames, "cuda", 2, {})
    assert [change.split(", so ")[0] for change in changes] == [
        "From epoch 2 on, it is trained on cuda instead of cpu",
        "From epoch 2 on, its cosine schedule is that of 9 epochs instead of 2",
    ]
    assert record_seen(run, config, seen.frames, "cuda", 3, {}) == []
