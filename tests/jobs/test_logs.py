"""The end of a log, and following it, however much is written."""

import os
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from job_runs import finish, start_stand_in
from waiting import until

from cityseg.config import make_config
from cityseg.errors import RunError
from cityseg.jobs import follow, tail
from cityseg.jobs.logs import WINDOW_BYTES
from cityseg.runs.folder import RunDir


@pytest.fixture
def run(runs: Path) -> RunDir:
    return RunDir.create(runs, make_config({"device": "cpu"}))


def test_a_missing_log_is_empty(run: RunDir) -> None:
    assert tail(run) == []
    assert "".join(follow(run)) == ""


def test_the_last_lines_are_shown(run: RunDir) -> None:
    run.log_file.write_bytes(b"one\ntwo\nthr\xffee")
    assert tail(run, 2) == ["two", "thr\ufffdee"]
    assert tail(run, 0) == []


def test_a_huge_line_is_cut(run: RunDir) -> None:
    run.log_file.write_bytes(b"x" * 3 * WINDOW_BYTES)
    assert [len(line) for line in tail(run)] == [WINDOW_BYTES]


def test_following_yields_everything_that_is_added_until_the_run_has_ended(runs: Path) -> None:
    run = start_stand_in(runs)
    pieces: list[str] = []
    follower = threading.Thread(target=lambda: pieces.extend(follow(run, 5)))
    follower.start()
    for number in range(5):
        with run.log_file.open("a") as log:
            log.write(f"line {number}\n")
        until(lambda wanted=f"line {number}\n": wanted in "".join(pieces))
    finish(run)
    follower.join()
    assert "".join(pieces) == "".join(f"line {number}\n" for number in range(5))


def test_a_log_that_grows_fast_is_followed_in_constant_memory(run: RunDir) -> None:
    megabyte = (b"x" * 99 + b"\n") * 10_000
    follower = follow(run)
    with closing(run.locked()), run.log_file.open("ab", buffering=0) as log:
        next(follower)
        tracemalloc.start()
        for _ in range(30):
            log.write(megabyte)
            assert "bytes skipped" in next(follower)
            assert next(follower).endswith("x" * 99 + "\n")
        assert tail(run, 3) == ["x" * 99] * 3
        log.write(b"half a li")
        assert tail(run, 1) == ["half a li"]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        log.write(b"ne\nthe end\n")
    assert peak < 16 * WINDOW_BYTES
    assert "".join(follower) == "half a line\nthe end\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_a_run_error_at_once(
    run: RunDir, make: Callable[[Path], object]
) -> None:
    make(run.log_file)
    with pytest.raises(RunError, match=r"run\.log cannot be read"):
        tail(run)
