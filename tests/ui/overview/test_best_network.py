"""The best network: by its mean IoU in validation."""

from pathlib import Path

from cityseg.config import make_config
from cityseg.jobs import list_runs
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.ui.overview.best_network import best_entry


def make_run(runs: Path, mean_iou: float | None) -> RunDir:
    run = RunDir.create(runs, make_config({"data": runs}, "reference"))
    write_json(run.summary_file, {"status": "done", "mean_iou": mean_iou, "best_epoch": 1})
    return run


def test_the_highest_mean_iou_is_the_best(tmp_path: Path) -> None:
    make_run(tmp_path, 0.2)
    best = make_run(tmp_path, 0.5)
    make_run(tmp_path, None)
    (tmp_path / "broken").mkdir()
    entry = best_entry(list_runs(tmp_path))
    assert entry
    assert entry.id == best.id


def test_without_a_score_there_is_none(tmp_path: Path) -> None:
    make_run(tmp_path, None)
    assert best_entry(list_runs(tmp_path)) is None
