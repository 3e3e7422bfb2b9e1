"""Long commands in the background: real processes, killed, stopped, watched by others.

Also tests: cli/task.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import child
import city
import pytest
from waiting import PATIENCE_SECONDS, until

from cityseg.errors import RunError
from cityseg.jobs.tasks import LOCK_VARIABLE, Task, TaskState
from cityseg.system.files import read_json
from cityseg.system.processes import Process

MANY = 1500


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A Cityscapes folder with three good frames."""
    folder = tmp_path / "data"
    for number in range(3):
        city.write_frame(folder, f"x_{number}_0")
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough full-size frames to stop in between, all with the same annotation."""
    folder = tmp_path_factory.mktemp("many")
    city.write_many(folder, MANY)
    return folder


@pytest.fixture
def busy(many: Path, tmp_path: Path, runs: Path) -> Iterator[Task]:
    """A conversion that has begun and takes long; killed after the test."""
    task = Task.of(runs, "convert", many)
    task.start(many, "--out", tmp_path / "masks", "--workers", 1)
    until(lambda: task.state().done > 0)
    yield task
    kill(task)
    until(lambda: not task.state().is_live)


def ended(task: Task) -> TaskState:
    until(lambda: not task.state().is_live)
    return task.state()


def process_of(task: Task) -> Process:
    process = Process.from_json(read_json(task.process_file))
    assert process
    return process


def kill(task: Task) -> None:
    process_of(task).send(signal.SIGKILL)


def masks_below(folder: Path) -> int:
    return len([path for path in folder.glob("*/*/*_mask.png") if path.name[0] != "."])


# What a task is


def test_the_same_command_and_subject_are_the_same_task(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.parent)
    relative = Task.of(Path("runs"), "convert", Path("data"))
    assert relative == Task.of(runs, "convert", runs.parent / "data")


def test_another_command_or_subject_is_another_task(runs: Path) -> None:
    one = Task.of(runs, "evaluate", "a", "val")
    others = [
        Task.of(runs, "evaluate", "a", "test"),
        Task.of(runs, "evaluate", "av", "al"),
        Task.of(runs, "convert", "a", "val"),
    ]
    assert one not in others


def test_the_folder_has_a_harmless_name_for_any_subject(runs: Path) -> None:
    task = Task.of(runs, "convert", os.fsdecode(b"../\xff\n$(x)"))
    assert task.folder.parent == runs / ".tasks"
    assert task.folder.name.removeprefix("convert-").isalnum()


def test_naming_a_task_touches_nothing(runs: Path) -> None:
    assert Task.of(runs, "convert", "data").state() == TaskState("never")
    assert not runs.exists()


# How it ends


def test_a_command_that_does_everything_is_done(root: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", root)
    assert task.start(root)
    assert ended(task).phase == "done"
    assert masks_below(root / "masks") == 3
    assert "3 frames: 3 converted" in task.log()


def test_a_command_that_skips_something_is_done_partly(root: Path, runs: Path) -> None:
    city.annotation_path(root, "x_1_0").write_bytes(b"broken")
    task = Task.of(runs, "convert", root)
    task.start(root)
    assert ended(task).phase == "partly"


def test_a_command_that_fails_leaves_its_own_sentence(tmp_path: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", tmp_path)
    task.start(tmp_path / "nowhere")
    state = ended(task)
    assert state.phase == "failed"
    assert state.sentence.startswith(f"There is no folder {tmp_path / 'nowhere'}: name the folder")


def test_wrong_arguments_fail_with_a_sentence(runs: Path) -> None:
    task = Task.of(runs, "convert", "x")
    task.start("--no-such-flag")
    state = ended(task)
    assert state.phase == "failed"
    assert "--no-such-flag" in state.sentence


def test_a_killed_process_has_died(busy: Task) -> None:
    kill(busy)
    assert ended(busy).phase == "died"


def test_a_new_start_replaces_the_last_result(root: Path, tmp_path: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", root)
    task.start(tmp_path / "nowhere")
    assert ended(task).phase == "failed"
    task.start(root)
    assert ended(task).phase == "done"
    assert "nowhere" not in task.log()


def test_an_ended_process_leaves_no_zombie(root: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", root)
    task.start(root)
    ended(task)
    until(lambda: not Path(f"/proc/{process_of(task).pid}").exists())


# While it runs


def test_progress_is_reported(busy: Task) -> None:
    until(lambda: busy.state().rate)
    state = busy.state()
    assert (state.phase, state.what, state.unit) == ("running", "Converting", "frame")
    assert 0 < state.done < state.total == MANY
    assert state.rate
    assert state.seconds_left == pytest.approx((state.total - state.done) / state.rate)


def test_a_second_start_starts_nothing(busy: Task, root: Path) -> None:
    before = process_of(busy)
    assert not busy.start(root)
    assert process_of(busy) == before
    assert busy.state().phase == "running"


def test_simultaneous_starts_count_as_one(many: Path, tmp_path: Path, runs: Path) -> None:
    code = """
import sys
from pathlib import Path
from cityseg.jobs.tasks import Task
task = Task.of(Path(sys.argv[1]), "convert", Path(sys.argv[2]))
input()
print(task.start(Path(sys.argv[2]), "--out", Path(sys.argv[3])), flush=True)
input()
"""
    starters = [child.start(code, runs, many, tmp_path / "masks") for _ in range(4)]
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("\n")
        starter.stdin.flush()
    answers = [starter.stdout.readline() for starter in starters if starter.stdout]
    Task.of(runs, "convert", many).stop()
    for starter in starters:
        starter.communicate("\n", timeout=PATIENCE_SECONDS)
    assert sorted(answers) == ["False\n"] * 3 + ["True\n"]


STARTED_BY_ANOTHER = """
import os, signal, sys
from pathlib import Path
from cityseg.jobs.tasks import Task
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for what a shell starts in the background
many, masks, runs = map(Path, sys.argv[1:])
os.chdir("/")
Task.of(runs, "convert", many).start(many, "--out", masks, "--workers", 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def orphan(many: Path, tmp_path: Path, runs: Path) -> Iterator[Task]:
    """A conversion whose starter, in another folder, was killed as soon as it had started."""
    starter = child.start(STARTED_BY_ANOTHER, many, tmp_path / "masks", runs)
    starter.communicate(timeout=PATIENCE_SECONDS)
    assert starter.returncode == -signal.SIGKILL
    task = Task.of(runs, "convert", many)
    until(lambda: task.process_file.exists())
    yield task
    kill(task)
    until(lambda: not task.state().is_live)


def test_a_task_outlives_its_starter_and_is_stopped_by_another_process(orphan: Task) -> None:
    until(lambda: orphan.state().done > 0)
    orphan.stop()
    assert ended(orphan).phase == "stopped"


# Stopping


def test_a_stopped_conversion_keeps_its_finished_masks(busy: Task, tmp_path: Path) -> None:
    busy.stop()
    assert ended(busy).phase == "stopped"
    assert 0 < masks_below(tmp_path / "masks") < MANY
    assert list((tmp_path / "masks").rglob("*.part")) == []


def test_a_process_that_ignores_interrupts_is_killed_after_the_grace(
    busy: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.jobs.tasks.GRACE_SECONDS", 0.3)
    process_of(busy).send(signal.SIGSTOP)
    busy.stop()
    assert busy.state().phase == "stopping"
    assert ended(busy).phase == "stopped"


def test_a_second_stop_does_not_wait_for_the_grace(
    busy: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.jobs.tasks.GRACE_SECONDS", 3600.0)
    process_of(busy).send(signal.SIGSTOP)
    busy.stop()
    busy.stop()
    assert ended(busy).phase == "stopped"


def test_a_stop_right_after_the_start_ends_it(many: Path, tmp_path: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", many)
    task.start(many, "--out", tmp_path / "masks")
    task.stop()
    assert ended(task).phase == "stopped"


def test_stopping_a_task_that_has_ended_changes_nothing(root: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", root)
    task.start(root)
    ended(task)
    task.stop()
    assert task.state().phase == "done"


# Its folder


def test_only_the_end_of_a_long_log_is_read(root: Path, runs: Path) -> None:
    task = Task.of(runs, "convert", root)
    task.folder.mkdir(parents=True)
    task.log_file.write_bytes(b"a line\n" * 1_000_000 + b"\xff the last")
    assert task.log(2).splitlines() == ["a line", "\N{REPLACEMENT CHARACTER} the last"]
    assert len(task.log(1_000_000)) <= 1 << 16


def test_a_folder_that_cannot_be_created_is_an_error(runs: Path) -> None:
    runs.write_bytes(b"")
    with pytest.raises(RunError, match=r"convert cannot be started in .*/runs/.*Not a directory"):
        Task.of(runs, "convert", "x").start("x")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"status": "x"}'])
def test_an_invalid_result_is_a_failure(runs: Path, content: bytes) -> None:
    task = Task.of(runs, "convert", "x")
    city.write(task.log_file)
    city.write(task.result_file, content)
    assert task.state().phase == "failed"


def test_paths_that_look_like_flags_or_commands_are_paths(
    tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("--help; touch pwned")
    city.write_frame(folder, "x_0_0")
    task = Task.of(runs, "convert", folder)
    task.start(folder)
    assert ended(task).phase == "done"
    assert masks_below(folder / "masks") == 1
    assert not (tmp_path / "pwned").exists()


def test_processes_that_a_command_starts_inherit_no_lock(busy: Task) -> None:
    inherited = dict(
        entry.split("=", 1)
        for entry in Path(f"/proc/{process_of(busy).pid}/environ").read_text().split("\0")
        if "=" in entry
    )[LOCK_VARIABLE]
    description = Path(f"/proc/{process_of(busy).pid}/fdinfo/{inherited}").read_text()
    flags = int(description.split("flags:")[1].split()[0], 8)
    assert flags & os.O_CLOEXEC


def test_starting_a_task_loads_no_torch_and_no_streamlit() -> None:
    heavy = "{'torch', 'streamlit', 'plotly', 'pandas', 'cv2'}"
    printed = child.output(f"import sys, cityseg.jobs.tasks\nprint({heavy} & sys.modules.keys())")
    assert printed == "set()\n"
