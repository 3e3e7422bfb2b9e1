"""Folders made by version 0.1.0 open, resume and evaluate as before; see data_0_1_0/README.md.

Mirrors no module: it tests what older versions wrote.
"""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pytest
from tiny_runs import content_of, timeless

from cityseg import jobs
from cityseg.data import find_frames
from cityseg.data.store import plan_store
from cityseg.evaluation import load_evaluation
from cityseg.geometry import Geometry
from cityseg.runs import RunDir
from cityseg.runs.panels import load_panels, panel_epochs

MADE_BY_0_1_0 = Path(__file__).parent / "data_0_1_0"
#: The same arithmetic on every x86 processor, as when the folders were made.
SAME_NUMBERS = {
    "OMP_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
}


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders in another place, their configurations put right as a person would do it."""
    for name, value in SAME_NUMBERS.items():
        monkeypatch.setenv(name, value)
    with tarfile.open(MADE_BY_0_1_0 / "folders.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    for path in (tmp_path / "runs").glob("*/config.json"):
        config = json.loads(path.read_text())
        assert config["data"] == "/srv/old/city"
        path.write_text(json.dumps(config | {"data": str(tmp_path / "city")}))
    return tmp_path


def run_titled(moved: Path, title: str) -> RunDir:
    entries = jobs.list_runs(moved / "runs")
    return next(each.run for each in entries if each.config and each.config.title == title)


def cityseg(*arguments: object) -> None:
    imports = f"import os; os.environ.update({SAME_NUMBERS}){forks.TRAINING}"
    done = forks.run_module(imports, "cityseg", *arguments)
    assert done.returncode == 0, done.stderr


def test_both_runs_are_listed_with_what_became_of_them(moved: Path) -> None:
    listed = {
        each.config.title: (each.state.phase, each.state.progress.epochs_done, each.state.epochs)
        for each in jobs.list_runs(moved / "runs")
        if each.config and each.state
    }
    assert listed == {"finished": ("done", 3, 3), "stopped": ("stopped", 2, 5)}


def test_a_saved_evaluation_is_read(moved: Path) -> None:
    saved = load_evaluation(run_titled(moved, "finished"), "val")
    assert saved
    assert (saved.epoch, len(saved.store.names), saved.skipped) == (1, 3, [])
    assert saved.scores.mean_iou == 0.01844516289343746


def test_the_finished_run_is_evaluated_with_the_same_numbers(moved: Path) -> None:
    run, out = run_titled(moved, "finished"), moved / "scores.json"
    cityseg("evaluate", run.path, "--data", moved / "city", "--device", "cpu", "--out", out)
    old, new = (json.loads(path.read_text()) for path in (run.scores_file("val"), out))
    assert new.pop("data") == str(moved / "city")  # which version 0.1.0 did not write
    assert {**new, "checkpoint": old["checkpoint"]} == old


def test_the_finished_run_predicts(moved: Path) -> None:
    run, out = run_titled(moved, "finished"), moved / "predictions"
    image = next((moved / "city" / "leftImg8bit" / "val").rglob("*.png"))
    cityseg("predict", run.path, image, "--out", out, "--device", "cpu")
    assert len([path for path in out.rglob("*.png") if path.stem.startswith(image.stem)]) == 4


def test_the_pictures_of_each_epoch_are_shown(moved: Path) -> None:
    run = run_titled(moved, "finished")
    assert panel_epochs(run) == [1, 2, 3]
    panels = load_panels(run, 2)
    assert [panel.image.shape for panel in panels] == [(16, 32, 3)] * 3
    assert all(np.isin(panel.truth, [*range(19), 255]).all() for panel in panels)


def numbers_of(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], float]:
    """The numbers in metric rows by row, kind of row, name and, where there is one, class."""
    return {
        (number, row["kind"], name, part): value
        for number, row in enumerate(rows)
        for name, values in row.items()
        for part, value in (values.items() if isinstance(values, dict) else [("", values)])
        if isinstance(value, int | float)
    }


def test_the_stopped_run_is_resumed_to_the_same_end(moved: Path) -> None:
    run, stores = run_titled(moved, "stopped"), moved / "runs" / ".store"
    before = content_of(stores)
    cityseg("train", "--resume", run.path)
    expected = map(json.loads, (MADE_BY_0_1_0 / "resumed.jsonl").read_text().splitlines())
    # Processors of other kinds round the last digits of the losses differently.
    assert numbers_of(timeless(run.metrics())) == pytest.approx(numbers_of([*expected]), rel=1e-5)
    assert jobs.state(run).phase == "done"
    assert content_of(stores) == before


def test_the_stores_are_opened_as_they_are(moved: Path) -> None:
    frames = find_frames(moved / "city")
    for split, count in (("train", 8), ("val", 3)):
        chosen = [frame for frame in frames if frame.split == split]
        plan = plan_store(
            chosen, moved / "city" / "masks", moved / "runs" / ".store", Geometry((16, 32))
        )
        assert (plan.frames, plan.is_built) == (count, True)


def test_masks_are_kept(moved: Path) -> None:
    masks = moved / "city" / "masks"

    def inodes() -> dict[Path, int]:
        return {path: path.stat().st_ino for path in masks.rglob("*_mask.png")}

    before = inodes()
    assert len(before) == 11
    cityseg("convert", moved / "city")
    assert inodes() == before
    assert json.loads((masks / "report.json").read_text())["converted"] == 11
