"""The progress of a command, in a file."""

from pathlib import Path

import pytest
from waiting import until

from cityseg.defaults import PROGRESS_VARIABLE
from cityseg.jobs.task_progress import ProgressFile
from cityseg.system.files import read_json


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRESS_VARIABLE, raising=False)
    assert ProgressFile.of_environment("Converting", "frame") is None
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "progress.json"))
    file = ProgressFile.of_environment("Converting", "frame")
    assert file
    file.report(1, 4)
    assert read_json(tmp_path / "progress.json") == {
        "what": "Converting",
        "unit": "frame",
        "done": 1,
        "total": 4,
        "rate": None,
    }


def test_the_rate_is_that_of_the_last_reports(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    file = ProgressFile(path, "converting", "frame")

    def report_next() -> bool:
        file.report(read_json(path).get("done", 0) + 1, 1_000_000)
        return bool(read_json(path)["rate"])

    until(report_next)
    assert read_json(path)["rate"] > 0


def test_a_disk_that_refuses_progress_raises_nothing(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "no folder" / "progress.json", "converting", "frame")
    file.report(1, 2)
    assert not list(tmp_path.iterdir())


def test_the_last_progress_is_always_written(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "progress.json", "converting", "frame")
    for done in range(1, 4):
        file.report(done, 3)
    assert read_json(tmp_path / "progress.json")["done"] == 3
