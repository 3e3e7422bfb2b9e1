"""Studies: what is missing is trained, what ended is continued, and all of it is counted."""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import make_city

from cityseg.runs.folder import RunDir
from cityseg.system.files import read_json

SCRIPT = Path(__file__).parents[2] / "scripts" / "ablate.py"


def ablate(data: Path, runs: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, SCRIPT, *arguments(data, runs), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def arguments(data: Path, runs: Path) -> list[object]:
    return ["short", "--data", data, "--runs", runs]


def last_score(run: RunDir) -> float:
    return float([row for row in run.metrics() if row["kind"] == "epoch"][-1]["mean_iou"])


@pytest.mark.soak
def test_a_study_is_trained_continued_and_counted(
    tmp_path: Path, script: Callable[..., tuple[str, str]]
) -> None:
    data, runs = make_city(tmp_path / "city"), tmp_path / "runs"
    only = ("--only", "width 8", "--seeds", "2", "--workers", "2")
    table, _ = script("ablate", *arguments(data, runs), *only)
    trained = {run.config().title: run for run in map(RunDir, (runs / "short").glob("*-*"))}
    assert sorted(trained) == ["width 8, seed 0", "width 8, seed 1"]
    kept, cut = (trained[title] for title in sorted(trained))
    assert [run.config().seed for run in (kept, cut)] == [0, 1]
    assert {run.config().width for run in (kept, cut)} == {8}
    scores = [last_score(run) for run in (kept, cut)]
    mean, spread = statistics.mean(scores), statistics.stdev(scores)
    assert f"| width 8 | 2 | {mean:.4f} | {spread:.4f} |  |  |" in table

    # As a run that was killed before its last word.
    cut.summary_file.unlink()
    untouched = kept.metrics_file.stat().st_mtime_ns
    again, notes = script("ablate", *arguments(data, runs), *only)
    assert notes.count("done before") == 1
    assert kept.metrics_file.stat().st_mtime_ns == untouched
    assert read_json(cut.summary_file)["status"] == "done"
    assert again == table
    assert script("ablate", *arguments(data, runs), "--table", "--seeds", "2") == (table, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "bse"), "short has no bse: choose from base, "),
        (("--seeds", "x"), "invalid int"),
    ],
)
def test_what_is_mistyped_is_said_and_nothing_trained(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = ablate(tmp_path, tmp_path / "runs", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()
