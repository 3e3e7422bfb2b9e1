"""A run on Weights & Biases, as the follower opens and feeds it."""

import json
import re
from pathlib import Path

import pytest
from wandb_world import (
    KEY,
    Follower,
    make_run,
    read_parts,
    sent,
    write_epoch_row,
    write_panels,
    write_train_row,
)

from cityseg.errors import EXIT_SOME
from cityseg.jobs import find_tracked
from cityseg.jobs.wandb_run import card_summary
from cityseg.models import model_of
from cityseg.runs import best_epoch
from cityseg.runs.checkpoints import save_weights

pytestmark = pytest.mark.usefixtures("no_account")

OFFLINE_NOTE = r"tracked offline: upload it later with `wandb sync (\S+/offline-run-\S+)`"


def test_the_summary_is_that_of_the_kept_weights_and_names_no_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path, start_from="box", width=4)
    write_epoch_row(run, 1, road=0.75, train=None)
    write_epoch_row(run, 2, road=0.5)  # no better than the first
    run.write_summary({"status": "done", "best_epoch": 1, "val_loss": None, "changes": ["x"]})
    save_weights(run.best, model_of(run.config()), run.config(), 1, {})
    summary = card_summary(run, best_epoch(run.metrics()))
    assert len(str(summary.pop("weights_digest"))) >= 16
    assert summary == {
        "status": "done",
        "best_epoch": 1,
        "class_iou/road": 0.75,
        "model": "unet",
        "train_command": "python -m cityseg train --data DATA --width 4 --start-from box",
        "licence": "for non-commercial use only",
    }
    assert card_summary(make_run(tmp_path / "new"), None)["model"] == "unet"


def test_an_offline_run_has_everything_that_the_folder_has(tmp_path: Path) -> None:
    run = make_run(tmp_path, title="Seven", learning_rate=1e-4)
    write_train_row(run, 10, loss=0.75)
    write_epoch_row(run, 1, road=0.75, train=None)
    write_panels(run, 1)
    scores = {"best_epoch": 1, "mean_iou": 0.3, "val_loss": None}
    run.write_summary({"status": "done", "epochs": 1, "steps": 100, "seconds": 100.0, **scores})
    assert sent(run) == ""

    (part,) = read_parts(run)
    assert (part["id"], part["name"], part["project"]) == (run.id, "Seven", "cityseg")
    settings = {"learning_rate": 1e-4, "data": str(tmp_path / "city"), "size": "256x512"}
    assert part["config"] | settings == part["config"]
    rows = [
        {key: value for key, value in row.items() if key[0] != "_" and "/_" not in key}
        for row in part["rows"]
    ]
    assert rows[0] == {"step": 10, "train_loss": 0.75}
    assert rows[1] == {
        "step": 100,
        "train_loss": 0.5,
        "mean_iou": 0.25,
        "class_iou/road": 0.75,
        "learning_rate": 1e-4,
        "seconds": 100.0,
    }
    assert rows[2]["step"] == 100
    assert rows[2]["predictions/captions"] == ["ulm_1"]
    assert rows[2]["predictions/all_masks"][0].keys() == {"truth", "prediction"}
    assert part["summary"]["mean_iou"] == 0.3
    assert part["summary"]["epochs"] == 1
    assert part["summary"]["class_iou/road"] == 0.75
    assert part["summary"]["train_command"] == "python -m cityseg train --data DATA"
    assert "val_loss" not in part["summary"]
    assert (part["step_metric"], part["exit_code"]) == ({"*": "step"}, 0)

    (folder,) = run.tracking.glob("offline-run-*")
    table = folder / "files" / rows[3]["class_iou_table/path"]
    ious = dict(json.loads(table.read_text())["data"])
    assert (ious["road"], ious["train"], len(ious)) == (0.75, None, 19)
    labels = part["config"]["_wandb"]["mask/class_labels"]
    assert {kind["value"]["13"] for kind in labels.values()} == {"car"}
    assert {kind["value"]["255"] for kind in labels.values()} == {"ignored"}
    assert len(labels) == 2, "of the truth and of the prediction"

    tracked = find_tracked(run)
    assert tracked
    assert tracked.url is None
    assert tracked.upload == f"wandb sync {folder}"


def test_nothing_is_written_elsewhere_or_reported_about_this_machine(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    before = {path.name for path in run.path.iterdir()}
    write_epoch_row(run)
    sent(run)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert {path.name for path in run.path.iterdir()} - before == {"metrics.jsonl", "wandb"}
    assert read_parts(run)[0]["host"] == ""
    written = {path.name for path in tmp_path.rglob("*")}
    assert not written & {"wandb-metadata.json", "requirements.txt", "output.log", "diff.patch"}


def test_the_environment_names_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_SERVICE", "3-1-unix-/nowhere/socket")
    run = make_run(tmp_path)
    write_train_row(run, 10)
    sent(run)
    assert read_parts(run)[0]["project"] == "mine"


def test_a_key_and_no_network_falls_back_to_offline(
    tmp_path: Path, black_hole: str, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    followers = []
    for number, url in enumerate((black_hole, closed_port)):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        run = make_run(tmp_path / str(number))
        write_train_row(run, 10)
        code = "wandb_run.INIT_TIMEOUT_SECONDS = 2"
        followers.append((run, Follower(run, mode="online", code=code)))
    for run, follower in followers:
        status, reported = follower.ended()  # wandb itself would block for some 100 s
        assert status == EXIT_SOME
        assert len(reported.splitlines()) == 1, "one warning, and nothing of wandb's own"
        note = re.search(OFFLINE_NOTE, reported)
        assert note
        (path,) = Path(note[1]).glob(f"run-{run.id}.wandb")
        assert b"train_loss" in path.read_bytes()
