"""A run is found again after its folder was renamed."""

import shutil
from pathlib import Path

import pytest
from tiny_runs import tiny_config

from cityseg.runs.folder import RunDir
from cityseg.runs.following import following, survive_rename


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path))


def test_files_are_those_of_the_renamed_folder(run: RunDir, tmp_path: Path) -> None:
    with following(run) as followed:
        assert followed.path == run.path
        run.path.rename(tmp_path / "renamed")
        assert followed.id == "renamed"
        followed.append_metrics({"kind": "epoch"})
        assert followed.locked().is_effective
    assert followed.path == tmp_path / "renamed"
    assert RunDir(tmp_path / "renamed").metrics() == [{"kind": "epoch"}]
    assert not run.path.exists()


def test_another_folder_of_the_old_name_is_left_alone(run: RunDir, tmp_path: Path) -> None:
    with following(run) as followed:
        run.path.rename(tmp_path / "renamed")
        run.path.mkdir()
        assert followed.path == tmp_path / "renamed"


def test_a_write_that_a_rename_interrupts_is_repeated(run: RunDir, tmp_path: Path) -> None:
    paths = []

    def write() -> None:
        path = followed.metrics_file
        if not paths:
            run.path.rename(tmp_path / "renamed")
        paths.append(path)
        with path.open("ab"):
            pass

    with following(run) as followed:
        survive_rename(followed, write)
    assert paths == [run.metrics_file, tmp_path / "renamed" / "metrics.jsonl"]


def test_a_removed_folder_is_an_error(run: RunDir) -> None:
    with following(run) as followed:
        shutil.rmtree(run.path)
        assert followed.path == run.path
        with pytest.raises(FileNotFoundError):
            survive_rename(followed, lambda: followed.append_metrics({}))
