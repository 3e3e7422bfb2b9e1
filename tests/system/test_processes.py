"""Processes: identified, signalled, found, started."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from cityseg.system import processes
from cityseg.system.processes import (
    Process,
    descendants,
    module_command,
    oom_kills,
    pids_with_variable,
    reap,
    spawn,
)


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """A value of the variable MARK that no other test's processes have at the same time."""
    return f"a {tmp_path}"


@pytest.fixture
def sleeper(mark: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with a child, both of which wait for input and have the variable MARK."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, env={**os.environ, "MARK": mark}
    ) as process:
        until(lambda: len(pids_with_variable("MARK", mark)) == 2)
        yield process
        for pid in pids_with_variable("MARK", mark):
            os.kill(pid, signal.SIGKILL)


def test_a_process_is_the_same_after_a_round_trip_through_json() -> None:
    this = Process.this()
    assert Process.from_json(this.to_json()) == this
    assert this.is_alive()
    assert not this.is_elsewhere


@pytest.mark.parametrize("values", [{}, {"pid": "1"}, {"pid": -1, "start_ticks": 1}])
def test_invalid_values_describe_no_process(values: dict[str, object]) -> None:
    assert Process.from_json(values) is None


def test_a_signal_reaches_the_process_and_no_other_with_its_pid(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    process = Process.of(sleeper.pid)
    assert process
    older = Process(process.pid, process.boot_id, process.start_ticks - 1, process.hostname)
    older.send(signal.SIGKILL)
    assert process.is_alive()
    for pid in descendants({sleeper.pid}):
        os.kill(pid, signal.SIGKILL)
    process.send(signal.SIGTERM)
    assert sleeper.wait() != 0
    process.send(signal.SIGTERM)  # it has ended: nothing happens


def test_processes_are_found_by_descent_and_by_environment(
    sleeper: "subprocess.Popen[bytes]", mark: str
) -> None:
    children = descendants({sleeper.pid})
    assert len(children) == 1
    assert pids_with_variable("MARK", mark) == {sleeper.pid, *children}
    assert pids_with_variable("MARK", mark.partition(" ")[0]) == set()


@pytest.mark.parametrize(
    ("groups", "file", "content"),
    [
        ("0::/job\n", "sys/fs/cgroup/job/memory.events", "low 1\noom 9\noom_kill 3\n"),
        ("4:memory:/job\n0::/\n", "sys/fs/cgroup/memory/job/memory.oom_control", "oom_kill 3\n"),
        ("0::/\n", "proc/vmstat", "nr_free 7\noom_kill 3\n"),
    ],
    ids=["version 2", "version 1", "none that counts"],
)
def test_kills_for_lack_of_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, file: str, content: str
) -> None:
    for name, text in (("proc/self/cgroup", groups), (file, content)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(processes, "_ROOT", tmp_path)
    assert oom_kills() == 3


def test_a_system_that_does_not_count_kills_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_ROOT", tmp_path)
    assert oom_kills() == 0


# Starting


def test_a_started_module_finds_the_package_and_nothing_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("json.py", "cityseg.py"):
        (tmp_path / name).write_text("raise SystemExit('not this one')")
    monkeypatch.setenv("PYTHONPATH", "/added")
    command = [*module_command("cityseg")[:-2], "-c", _SHOW]
    with spawn(command, stdout=subprocess.PIPE, environment={"ADDED": "1"}) as process:
        output, _ = process.communicate()
    shown = json.loads(output)
    assert Path(shown["package"]).is_relative_to(Path(processes.__file__).parents[1])
    assert shown["search_path"].endswith(":/added")
    assert shown["added"] == "1"
    assert shown["is_leader"]
    assert shown["input"] == ""


_SHOW = """
import json, os, sys
import cityseg
json.dump({
    "package": cityseg.__file__,
    "search_path": os.environ["PYTHONPATH"],
    "added": os.environ["ADDED"],
    "is_leader": os.getsid(0) == os.getpid(),
    "input": sys.stdin.read(),
}, sys.stdout)
"""


def test_descriptors_are_handed_on_by_name_and_no_others(tmp_path: Path) -> None:
    code = """if True:
        import os
        handed_on = os.fstat(int(os.environ["HANDED_ON"].split(",")[1]))
        print(handed_on.st_ino, len(os.listdir("/proc/self/fd")) - 1)  # one is that of listdir
    """
    with (tmp_path / "file").open("wb") as file, (tmp_path / "other").open("wb") as other:
        os.set_inheritable(other.fileno(), True)
        with spawn(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            descriptors={"HANDED_ON": (file.fileno(), file.fileno())},
            own_session=False,
        ) as process:
            output, _ = process.communicate()
    assert output.split() == [str((tmp_path / "file").stat().st_ino).encode(), b"4"]


def test_blocked_signals_are_unblocked_on_request() -> None:
    code = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    outputs = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        for unblocked in (False, True):
            command = [sys.executable, "-c", code]
            with spawn(command, stdout=subprocess.PIPE, unblock_signals=unblocked) as process:
                outputs.append(process.communicate()[0])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert b"SIGUSR1" in outputs[0]
    assert outputs[1] == b"[]\n"


def test_a_reaped_process_leaves_no_zombie() -> None:
    process = spawn([sys.executable, "-c", ""])
    reap(process)
    until(lambda: not Path(f"/proc/{process.pid}").exists())
