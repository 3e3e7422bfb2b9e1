"""Files that are replaced whole or not at all, however the writing ends."""

import json
import math
import os
import threading

import child
import pytest

from cityseg.system.files import (
    is_listed,
    last_objects,
    read_json,
    remove_unfinished,
    replacing,
    sync_folder,
    write_json,
)


class BrokenOffError(Exception):
    """Ends a write in the middle."""


def break_off(path, error):
    with replacing(path) as file:
        file.write(b"new")
        raise error


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    """A file that exists already."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


@pytest.mark.parametrize("durable", [True, False])
def test_a_new_file_has_the_written_content(tmp_path, durable):
    with replacing(tmp_path / "file", durable=durable) as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names_in(tmp_path) == ["file"]


def test_the_old_file_stays_until_the_block_ends(path):
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_an_unfinished_file_is_hidden(path):
    with replacing(path):
        (unfinished,) = set(names_in(path.parent)) - {path.name}
    assert unfinished.startswith(".")


def test_only_what_killed_writers_of_the_named_files_have_left_is_removed(path, tmp_path):
    with replacing(path), replacing(tmp_path / "other"):
        left = [hidden.name for hidden in tmp_path.iterdir() if hidden.name.startswith(".")]
    for name in left:
        (tmp_path / name).touch()
    remove_unfinished([path, tmp_path / "none" / "file"])
    (kept,) = set(names_in(tmp_path)) - {"file", "other"}
    assert kept.startswith(".other.")


@pytest.mark.parametrize("error", [BrokenOffError, KeyboardInterrupt, SystemExit])
def test_an_error_keeps_the_old_file_and_no_other(path, error):
    with pytest.raises(error):
        break_off(path, error)
    assert path.read_bytes() == b"old"
    assert names_in(path.parent) == ["file"]


def test_an_error_without_an_old_file_leaves_none(tmp_path):
    with pytest.raises(BrokenOffError):
        break_off(tmp_path / "file", BrokenOffError)
    assert names_in(tmp_path) == []


def test_the_last_of_two_simultaneous_writers_wins(path):
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert names_in(path.parent) == ["file"]


def test_readers_see_only_complete_files_during_writes(path):
    contents = {bytes([number]) * 100_000 for number in range(3)} | {b"old"}
    ended = threading.Event()

    def write():
        for content in sorted(contents - {b"old"}) * 20:
            with replacing(path, durable=False) as file:
                for start in range(0, len(content), 10_000):
                    file.write(content[start : start + 10_000])
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = {path.read_bytes()}
    while not ended.is_set():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= contents


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "file"):
        pass


def test_a_folder_in_place_of_the_file_is_kept(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_and_its_folder_are_synced_only_if_durable(path, monkeypatch, durable):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    with replacing(path, durable=durable) as file:
        file.write(b"new")
    expected = [path.stat().st_ino, path.parent.stat().st_ino]
    assert synced == (expected if durable else [])


def test_sync_folder_leaves_no_descriptor_open(tmp_path):
    before = os.listdir("/proc/self/fd")
    sync_folder(tmp_path)
    assert os.listdir("/proc/self/fd") == before


# --- real processes --------------------------------------------------------------------------

WRITE_HALF = """
import sys
from pathlib import Path
from cityseg.system.files import replacing

with replacing(Path(sys.argv[1])) as file:
    file.write(b"half of what is n")
    file.flush()
    print("half", flush=True)
    sys.stdin.readline()
"""


def test_a_killed_writer_leaves_the_old_file(path):
    with child.start(WRITE_HALF, path) as process:
        assert process.stdout.readline() == "half\n"
        process.kill()
    assert path.read_bytes() == b"old"
    assert [name for name in names_in(path.parent) if not name.startswith(".")] == ["file"]


WRITE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from cityseg.system.files import replacing

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    with replacing(Path(sys.argv[1])) as file:
        file.write(bytes(int(sys.argv[2])))
except OSError as error:
    print(error.strerror, error.filename)
"""


@pytest.mark.parametrize("count", [2000, 2_000_000], ids=["at the flush", "at the write"])
def test_a_disk_that_fills_up_keeps_the_old_file_and_no_other(path, count):
    assert child.output(WRITE_TOO_MUCH, path, count) == f"File too large {path}\n"
    assert path.read_bytes() == b"old"
    assert names_in(path.parent) == ["file"]


# --- JSON ------------------------------------------------------------------------------------


def test_json_reads_back_as_it_was_written(tmp_path):
    value = {"name": "Zürich", "iou": 0.1 + 0.2, "undefined": None, "rows": [1, 2]}
    write_json(tmp_path / "file", value)
    assert json.loads((tmp_path / "file").read_bytes()) == value
    assert (tmp_path / "file").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object()])
def test_values_that_are_not_json_are_refused_and_the_old_file_kept(path, value):
    with pytest.raises((ValueError, TypeError)):
        write_json(path, {"value": value})
    assert path.read_bytes() == b"old"
    assert names_in(path.parent) == ["file"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"\xff"])
def test_a_file_without_an_object_is_read_as_an_empty_one(tmp_path, content):
    assert read_json(tmp_path / "none") == {}
    (tmp_path / "file").write_bytes(content)
    assert read_json(tmp_path / "file") == {}


def test_the_last_objects_come_from_complete_lines_that_are_valid(tmp_path):
    lines = [b'{"row": 1}', b"{torn", b"[2]", b'{"row": 3}', b'{"row": 4']
    (tmp_path / "file").write_bytes(b"\n".join(lines))
    assert last_objects(tmp_path / "file", 1000) == ([{"row": 1}, {"row": 3}], True)
    size = len(b"\n".join(lines)) - 1  # the first line lacks its first byte
    assert last_objects(tmp_path / "file", size) == ([{"row": 3}], False)


def test_a_file_is_listed_while_it_is_in_its_folder(path):
    assert is_listed(path)
    assert not is_listed(path.with_name("other"))
    assert not is_listed(path / "of-a-file")
    path.unlink()
    assert not is_listed(path)
