"""The one thing to do next, from the frames and the runs that exist."""

from pathlib import Path
from typing import Any

import city
import pytest

from cityseg.config import make_config
from cityseg.data.catalogue import load_catalogue
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.jobs import list_runs
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.ui.overview.next_step import next_step


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def converted(data: Path) -> Path:
    city.write_frame(data, "aachen_0_0")
    city.write_frame(data, "ulm_0_0", "val")
    convert(data)
    return data


def next_button(data: Path, runs: Path) -> str:
    catalogue = load_catalogue(find_frames(data), data / "masks")
    return next_step(catalogue, list_runs(runs)).button


def make_run(runs: Path, data: Path, status: str | None = None, **settings: Any) -> RunDir:
    """A run that ended with `status`; without it, one that has vanished."""
    run = RunDir.create(runs, make_config({"data": data, **settings}, "reference"))
    if status:
        write_json(run.summary_file, {"status": status, "mean_iou": 0.5, "best_epoch": 1})
    return run


def test_frames_without_masks_are_to_be_converted(data: Path, runs: Path) -> None:
    city.write_frame(data, "aachen_0_0")
    assert next_button(data, runs) == "Make the masks"


def test_when_every_frame_was_skipped_the_reasons_are_to_be_seen(data: Path, runs: Path) -> None:
    city.write_frame(data, "aachen_0_0").write_bytes(b"broken")
    convert(data)
    assert next_button(data, runs) == "See why every frame was skipped"


def test_with_masks_a_network_is_to_be_trained(converted: Path, runs: Path) -> None:
    assert next_button(converted, runs) == "Train a network"


def test_a_live_run_is_to_be_watched(converted: Path, runs: Path) -> None:
    make_run(runs, converted, "done")
    with make_run(runs, converted).locked():
        assert next_button(converted, runs) == "Watch the training"


@pytest.mark.parametrize("status", ["stopped", "failed", None])
def test_an_unfinished_run_is_to_be_checked(
    converted: Path, runs: Path, status: str | None
) -> None:
    make_run(runs, converted, status)
    assert next_button(converted, runs) == "Check the last run"


def test_a_run_that_is_done_is_to_be_scored(converted: Path, runs: Path) -> None:
    make_run(runs, converted, "done")
    make_run(runs, converted, "failed")
    assert next_button(converted, runs) == "See how good it is"


def test_a_scored_run_is_to_be_tried(converted: Path, runs: Path) -> None:
    run = make_run(runs, converted, "done")
    write_json(run.scores_file("val"), {})
    assert next_button(converted, runs) == "Try it on a picture"
    make_run(runs, converted, "done", title="Newer")  # which has no scores
    step = next_step(load_catalogue(find_frames(converted), converted / "masks"), list_runs(runs))
    assert step.run == run.id
    assert "Newer" not in step.sentence
