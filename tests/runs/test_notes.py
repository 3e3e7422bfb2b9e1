"""Notes on a run: written whole, read back, and never lost."""

from pathlib import Path

import pytest
from tiny_runs import tiny_config

from cityseg.errors import RunError
from cityseg.runs.folder import RunDir
from cityseg.runs.notes import LONGEST_NAME, Notes, read_notes, write_notes


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path, tiny_config(tmp_path))


def test_notes_are_read_as_they_were_written(run: RunDir) -> None:
    assert read_notes(run) == Notes()
    write_notes(run, "Mine", "Too slow.", ["baseline"])
    assert read_notes(run) == Notes(name="Mine", note="Too slow.", tags=["baseline"])


def test_what_another_version_has_added_is_kept(run: RunDir) -> None:
    run.about_file.write_text('{"name": "Mine", "stars": 5}')
    write_notes(run, "Yours", "", [])
    assert '"stars": 5' in run.about_file.read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"name": 5}'])
def test_a_damaged_file_is_named_and_not_replaced(run: RunDir, content: str) -> None:
    run.about_file.write_text(content)
    with pytest.raises(RunError, match=r"about\.json is no file of notes on a run"):
        write_notes(run, "Mine", "", [])
    assert run.about_file.read_text() == content


def test_text_that_no_page_can_show_is_damage(run: RunDir) -> None:
    run.about_file.write_text(r'{"name": "\ud800"}')
    with pytest.raises(RunError, match="not text in UTF-8"):
        read_notes(run)


def test_notes_that_could_not_be_read_back_are_refused(run: RunDir) -> None:
    with pytest.raises(RunError, match="at most 200 characters"):
        write_notes(run, "x" * (LONGEST_NAME + 1), "", [])
    assert not run.about_file.exists()
