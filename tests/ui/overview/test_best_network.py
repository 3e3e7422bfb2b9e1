"""The best network: by its mean IoU in validation."""

from pathlib import Path

import boxes
import city
import pytest
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.config import make_config
from cityseg.data import find_frames, load_catalogue
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.jobs import list_runs
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.ui.overview.best_network import best_entry, shown_frame

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"


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


def test_the_frame_that_is_predicted_is_one_of_val_with_a_photo(tmp_path: Path) -> None:
    for split, number in (("train", 0), ("val", 1), ("val", 2)):
        city.write_frame(tmp_path, f"tiny_000000_00000{number}", split)
    city.image_path(tmp_path, "tiny_000000_000001", "val").unlink()
    frames = find_frames(tmp_path)
    found = shown_frame(load_catalogue(frames, tmp_path / "masks", tmp_path))
    assert found
    assert found[0].name == "val/tiny/tiny_000000_000002"


def test_the_network_in_the_box_predicts_a_frame_where_no_run_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    city.write_frame(tmp_path / "data", "tiny_000000_000000", "val")
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    app = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS).run()
    assert not app.exception
    text = "\n".join(each.value for each in (*app.markdown, *app.caption)).replace("\\", "")
    assert "Street network (in the box), for non-commercial use only" in text
    assert "Street network (in the box) on val/tiny/tiny_000000_000000" in text
    links = [link.proto.query_string for link in app.get("page_link")]
    assert "network=box" in links
