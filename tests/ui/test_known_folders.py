"""Folders by name: distinct, kept over a restart, and only those that were given or opened."""

import json
from pathlib import Path

import pytest

from cityseg.ui import known_folders as known


@pytest.fixture(autouse=True)
def _new_server(monkeypatch: pytest.MonkeyPatch) -> None:
    restart(monkeypatch)


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_opened", known.defaultdict(dict))


def test_what_was_given_comes_first_and_is_known_without_a_file(tmp_path: Path) -> None:
    found = known.known_folders(tmp_path / "runs", "dataset", Path("relative/city"))
    assert found == {"city": Path("relative/city")}
    assert not (tmp_path / "runs").exists()
    assert list(known.known_folders(tmp_path, "dataset", Path("/"))) == ["root"]


def test_names_are_distinct_and_a_folder_has_one(tmp_path: Path) -> None:
    home, given = tmp_path / "runs", tmp_path / "a" / "city"
    others = [tmp_path / "b" / "city", tmp_path / "c" / "city"]
    names = [known.remember(home, "dataset", given, folder) for folder in others]
    assert names == ["city-2", "city-3"]
    assert known.remember(home, "dataset", given, others[0]) == "city-2"
    assert known.remember(home, "dataset", given, given) == "city"
    assert known.known_folders(home, "dataset", given) == {
        "city": given,
        "city-2": others[0],
        "city-3": others[1],
    }


def test_names_hold_after_a_restart_with_another_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, opened = tmp_path / "runs", tmp_path / "b" / "city"
    known.remember(home, "dataset", tmp_path / "first", opened)
    restart(monkeypatch)
    given = tmp_path / "a" / "city"
    assert known.known_folders(home, "dataset", given) == {"city-2": given, "city": opened}
    assert list(known.known_folders(home, "dataset", opened)) == ["city"]


def test_uses_and_servers_are_kept_apart(tmp_path: Path) -> None:
    opened = tmp_path / "city"
    known.remember(tmp_path / "runs", "dataset", tmp_path / "given", opened)
    assert len(known.known_folders(tmp_path / "runs", "masks", tmp_path / "given")) == 1
    assert len(known.known_folders(tmp_path / "other", "dataset", tmp_path / "given")) == 1


def test_a_name_that_is_no_unicode_is_shown_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, opened = tmp_path / "runs", tmp_path / "k\udcf6ln"
    assert known.remember(home, "dataset", tmp_path / "given", opened) == "k?ln"
    restart(monkeypatch)
    assert known.known_folders(home, "dataset", tmp_path / "given")["k?ln"] == opened


@pytest.mark.parametrize("content", ["", "[]", '{"dataset": 3}', '{"dataset": {"a": 3}}', "{"])
def test_a_damaged_file_names_nothing_and_is_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / ".folders.json"
    file.write_text(content)
    given, opened = tmp_path / "given", tmp_path / "city"
    assert list(known.known_folders(tmp_path, "dataset", given)) == ["given"]
    known.remember(tmp_path, "dataset", given, opened)
    assert json.loads(file.read_text())["dataset"] == {"city": str(opened)}


def test_runs_that_cannot_be_written_keep_the_name_as_long_as_the_server(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("no folder")
    opened = tmp_path / "city"
    known.remember(home, "dataset", tmp_path / "given", opened)
    assert known.known_folders(home, "dataset", tmp_path / "given")["city"] == opened
