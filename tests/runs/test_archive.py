"""Runs that are put away, brought back, and deleted only from there."""

from pathlib import Path

import pytest
from tiny_runs import content_of, tiny_config

from cityseg.errors import ConfigError, RunError
from cityseg.runs.archive import archive_run, archived_runs, delete_run, is_archived, restore_run
from cityseg.runs.folder import RunDir
from cityseg.runs.resuming import resumed_config


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path))


def test_an_archived_run_comes_back_as_it_was(run: RunDir) -> None:
    before = content_of(run.path)
    archived = archive_run(run)
    assert archived.path == archived_runs(run.path.parent) / run.id
    assert is_archived(archived)
    assert not is_archived(run)
    assert restore_run(archived) == run
    assert content_of(run.path) == before


def test_a_run_in_use_is_neither_archived_nor_deleted(run: RunDir) -> None:
    with run.locked(), pytest.raises(RunError, match="is being trained by another process"):
        archive_run(run)
    archived = archive_run(run)
    with archived.locked(), pytest.raises(RunError, match="is being trained by another process"):
        delete_run(archived)
    assert archived.config_file.is_file()


def test_only_archived_runs_are_deleted(run: RunDir) -> None:
    with pytest.raises(RunError, match="is not archived"):
        delete_run(run)
    archived = archive_run(run)
    delete_run(archived)
    assert list(archived.path.parent.iterdir()) == []


def test_no_run_takes_the_place_of_another(run: RunDir) -> None:
    archived = archive_run(run)
    run.path.mkdir()
    with pytest.raises(RunError, match="exists: rename one"):
        restore_run(archived)
    assert archived.config_file.is_file()


def test_an_archived_run_is_not_resumed(run: RunDir) -> None:
    with pytest.raises(ConfigError, match="is archived: bring it back"):
        resumed_config(archive_run(run), {})


def test_a_link_is_left_alone(run: RunDir, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(run.path)
    with pytest.raises(RunError, match="is a link"):
        archive_run(RunDir(link))
