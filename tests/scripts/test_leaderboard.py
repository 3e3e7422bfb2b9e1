"""Boards: runs are trained to a time, resumed, scored, and counted by how long they took."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import city
import pytest
from tiny_runs import make_city

from cityseg.runs.folder import RunDir
from cityseg.system.files import read_json

SCRIPTS = Path(__file__).parents[2] / "scripts"
TINY = {"width": 2, "size": "32x64", "batch_size": 2, "device": "cpu", "learning_rate": 0.01}


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("boards")


def test_a_board_is_trained_resumed_scored_and_counted(
    tmp_path: Path,
    script: Callable[..., tuple[str, str]],
    boards: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, runs = make_city(tmp_path / "city"), tmp_path / "runs"
    board = boards.Board(
        {"tiny": TINY}, thresholds=(0.0, 0.99), minutes=0.001, frames={"train": 4, "val": 1}
    )
    monkeypatch.setitem(boards.BOARDS, "fifty", board)
    arguments = ("fifty", "--data", data, "--runs", runs)
    table, _ = script("leaderboard", *arguments)
    (run,) = map(RunDir, (runs / "fifty").glob("*-*"))
    config = run.config()
    trial = RunDir(next((runs / "fifty" / "speed").glob("*-*")))
    first, second = (row["seconds"] for row in trial.metrics() if row["kind"] == "epoch")
    assert config.epochs == max(1, int(0.06 / (second - first)))
    assert config.title == trial.config().title == "tiny, seed 0"
    names = (runs / "fifty" / "exclude.txt").read_text().split()
    assert len(names) == 6 + 4  # of 10 train and 5 val frames
    scores = read_json(runs / "fifty" / "scores" / "tiny, seed 0.json")
    (line,) = (line for line in table.splitlines() if line.startswith("| tiny |"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:3] == ["tiny", "0", str(config.epochs)]
    assert cells[4:6] == [f"{scores[name]:.4f}" for name in ("mean_iou", "pixel_accuracy")]
    assert float(cells[7]) > 0 or cells[7] == "0.0"
    assert cells[8] == ""
    command = f"python -m cityseg train --data=DATA --width=2 .*--epochs={config.epochs} --seed=0 "
    assert re.search(f"{command}--exclude=RUNS/fifty/exclude.txt\n", table)

    run.summary_file.unlink()  # as of a run that was killed at its end
    untouched = run.metrics_file.read_bytes()
    again, notes = script("leaderboard", *arguments)
    assert again == table
    assert "Done: best mean IoU" in notes
    assert run.metrics_file.read_bytes() == untouched
    plot = tmp_path / "plot.png"
    assert script("leaderboard", *arguments, "--table", "--plot", plot) == (table, "")
    assert city.decode(plot.read_bytes()).shape[:2] == (520, 1000)


def test_all_boards_have_valid_settings(boards: Any) -> None:
    from cityseg.config import make_config

    for board in boards.BOARDS.values():
        for settings in board.rows.values():
            values = {name: value for name, value in settings.items() if name != "preset"}
            if "start_from" in values:  # brings the shape of its network along
                values = {"model": "unet:resnet18", "weights": "none", **values}
            make_config(values, settings.get("preset", "reference"))


def test_an_unknown_row_is_refused(
    tmp_path: Path, script: Callable[..., tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script("leaderboard", "fifty", "--data", tmp_path, "--runs", tmp_path, "--only", "x")
    assert "fifty has no x: choose from from scratch" in capsys.readouterr().err
