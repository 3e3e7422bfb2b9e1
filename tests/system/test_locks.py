"""Locks: taken, waited for, handed on, and file systems that have none."""

import errno
import fcntl
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from child import REPOSITORY
from waiting import PATIENCE_SECONDS, until

from cityseg.system.locks import Lock, NoLocksError, is_held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_keeps_others_out_until_it_is_closed(path: Path) -> None:
    assert not is_held(path)
    with Lock.take(path) as lock:
        assert lock.is_effective
        assert is_held(path)
        with pytest.raises(BlockingIOError):
            Lock.take(path, patience_seconds=0.05)
    assert not is_held(path)
    Lock.take(path).close()


def test_a_folder_is_locked_without_a_file_in_it(tmp_path: Path) -> None:
    with Lock.take_folder(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(BlockingIOError):
            Lock.take_folder(tmp_path, patience_seconds=0)
    assert not is_held(tmp_path)
    with pytest.raises(FileNotFoundError):
        Lock.take_folder(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        Lock.take(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_wait_without_end_ends_with_the_holder(path: Path) -> None:
    holder = Lock.take(path)
    is_waiting, taken = threading.Event(), []
    waiter = threading.Thread(
        target=lambda: taken.append(Lock.take(path, math.inf, is_waiting.set))
    )
    waiter.start()
    assert is_waiting.wait(timeout=PATIENCE_SECONDS)
    assert not taken
    holder.close()
    waiter.join(timeout=PATIENCE_SECONDS)
    taken[0].close()


def test_an_error_of_the_callback_ends_the_wait_and_leaves_no_file_open(path: Path) -> None:
    def give_up() -> None:
        raise InterruptedError

    before = os.listdir("/proc/self/fd")
    with Lock.take(path), pytest.raises(InterruptedError):
        Lock.take(path, math.inf, give_up)
    assert os.listdir("/proc/self/fd") == before


def test_asking_whether_a_lock_is_held_never_keeps_others_out(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cityseg.system.locks import is_held\n"
        "while True: is_held(Path(sys.argv[1]))"
    )
    path.touch()
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, cwd=REPOSITORY) as asker:
        for _ in range(500):
            with Lock.take(path):
                pass
        assert asker.poll() is None
        asker.kill()


def test_a_lock_is_held_until_the_last_process_that_inherited_it_ends(path: Path) -> None:
    lock = Lock.take(path)
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[lock.descriptor]) as heir:
        lock.close()
        assert is_held(path)
        heir.kill()
    until(lambda: not is_held(path))


def test_an_inherited_lock_is_identified_by_its_file_and_not_inherited_further(
    tmp_path: Path,
) -> None:
    lock = Lock.take(tmp_path / "lock")
    (tmp_path / "other").touch()
    os.set_inheritable(lock.descriptor, True)
    assert Lock.inherited(tmp_path / "other", lock.descriptor) is None
    assert Lock.inherited(tmp_path / "missing", lock.descriptor) is None
    assert Lock.inherited(tmp_path / "lock", 99) is None
    assert Lock.inherited(tmp_path / "lock", lock.descriptor)
    assert not os.get_inheritable(lock.descriptor)
    lock.close()
    assert not is_held(tmp_path / "lock")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_of_the_file_system_a_lock_is_not_effective(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Lock.take(path) as one, Lock.take(path) as other:
        assert not one.is_effective
        assert not other.is_effective
        assert Lock.inherited(path, one.descriptor)
    with pytest.raises(NoLocksError):
        is_held(path)


def test_another_error_is_raised_and_leaves_no_file_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="broken disk"):
        Lock.take(path)
    assert os.listdir("/proc/self/fd") == before
