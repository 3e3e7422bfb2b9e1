"""Files that are read again only after they have changed."""

from pathlib import Path

import pytest
from cachetools import LRUCache

from cityseg.jobs import file_cache
from cityseg.jobs.file_cache import cached


class Reader:
    """Reads text and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: Path) -> str:
        self.calls += 1
        return path.read_text()


@pytest.fixture
def read() -> Reader:
    return Reader()


def replace(path: Path, text: str) -> None:
    """As the files of a run are replaced: with a new inode."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_a_file_is_read_once_until_it_is_replaced_or_grows(tmp_path: Path, read: Reader) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    assert [cached(path, read), cached(path, read)] == ["one", "one"]
    assert read.calls == 1
    replace(path, "two")
    assert cached(path, read) == "two"
    with path.open("a") as file:
        file.write(" three")
    assert cached(path, read) == "two three"
    assert read.calls == 3


def test_a_missing_file_has_no_value_even_if_it_had_one(tmp_path: Path, read: Reader) -> None:
    path = tmp_path / "file"
    assert cached(path, read) is None
    path.write_text("one")
    cached(path, read)
    path.unlink()
    assert cached(path, read) is None


def test_values_that_depend_on_more_than_the_file_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    assert [cached(path, lambda _, n=n: n, n) for n in (1, 2, 1)] == [1, 2, 1]


def test_an_error_is_not_kept(tmp_path: Path, read: Reader) -> None:
    path = tmp_path / "file"
    path.write_text("one")

    def fail(path: Path) -> str:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised just above
        cached(path, fail)
    assert cached(path, read) == "one"


def test_the_files_used_least_recently_are_forgotten(
    tmp_path: Path, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_cache, "_cache", LRUCache(2))
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    for path in (paths[0], paths[1], paths[0], paths[2], paths[0]):
        cached(path, read)
    assert read.calls == 3
    cached(paths[1], read)
    assert read.calls == 4
