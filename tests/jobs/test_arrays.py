"""Arrays of shards: only what is missing is done, a failure ends the array, a stop ends all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import forks
import pytest
from city import write_many
from waiting import until

from cityseg.cli.main import main
from cityseg.errors import RunError
from cityseg.jobs.arrays import ShardArray, unmerged_arrays
from cityseg.jobs.cluster_shards import Shard
from cityseg.jobs.queue import DeviceQueue
from cityseg.jobs.tasks import Task, TaskState
from cityseg.system import Lock, read_json, write_json

FRAMES = 1500


class Place:
    """Shards that end at once, with a status each."""

    name = "local"
    has_queue = False
    grace_seconds = poll_seconds = 0.01

    def __init__(self, *statuses: int) -> None:
        self.started: list[list[str]] = []
        self._statuses = statuses

    def check(self) -> None: ...

    def start(self, array: Task, shards: Sequence[Shard], at_once: int) -> None:
        for task, arguments in shards:
            task.folder.mkdir(exist_ok=True)
            task.log_file.write_text("cityseg: The disk is full\n")
            write_json(task.progress_file, {"done": 5, "total": 10})
            write_json(task.result_file, {"status": self._statuses[len(self.started)]})
            self.started.append(list(arguments))

    def state(self, task: Task) -> TaskState:
        return task.state()

    def stop(self, tasks: Sequence[Task]) -> None: ...

    def settle(self, task: Task) -> None: ...


@pytest.fixture
def array(tmp_path: Path) -> ShardArray:
    return ShardArray.of(tmp_path, "convert", ["DATA"], 4)


def run(array: ShardArray, place: Place) -> list[str]:
    """The shards that are done at a place."""
    with array.held():
        replace(array, place=place).run(at_once=1)
    return [arguments[-1] for arguments in place.started]


def test_only_what_is_missing_is_done_and_after_a_merge_everything(
    array: ShardArray, tmp_path: Path
) -> None:
    place = Place(0, 2, 1)
    with pytest.raises(RunError, match=r"Shard 3/4 of convert failed \(The disk is full\): see"):
        run(array, place)
    assert [each[-1] for each in place.started] == ["1/4", "2/4", "3/4"]
    assert place.started[0] == ["DATA", "--shard", "1/4"]
    assert array.state() == TaskState("failed", "convert", "shard", 2, 4)
    assert run(array, Place(0, 0)) == ["3/4", "4/4"]
    assert run(array, Place()) == []  # the merge was interrupted
    assert unmerged_arrays(tmp_path) == [array.name]
    with array.held():
        array.finish(0)
    assert unmerged_arrays(tmp_path) == []
    assert run(array, Place(0, 0, 0, 0)) == ["1/4", "2/4", "3/4", "4/4"]


def test_shards_that_were_not_begun_count_as_large_as_the_others(array: ShardArray) -> None:
    reports: list[tuple[int, int]] = []
    with array.held():
        placed = replace(array, place=Place(0, 0, 0, 0))
        placed.run(at_once=3, progress=lambda *report: reports.append(report))
    assert reports[0] == (15, 40)
    assert reports[-1] == (20, 40)


def test_an_array_that_runs_is_not_run_again(array: ShardArray) -> None:
    with array.held():
        with pytest.raises(RunError, match=f"{array.name} is run by another process"), array.held():
            pass
        assert array.state().phase == "running"
    assert array.state().phase == "stopped"


def test_shards_at_work_are_waited_for(array: ShardArray) -> None:
    second = array.shards[1]
    second.folder.mkdir(parents=True)
    lock = Lock.take(second.lock_file)
    place = Place(0, 0, 0)

    def end(done: int, total: int) -> None:
        if len(place.started) == 3 and not second.result_file.exists():
            second.log_file.touch()
            write_json(second.result_file, {"status": 0})
            lock.close()

    with array.held():
        replace(array, place=place).run(at_once=2, progress=end)
    assert [each[-1] for each in place.started] == ["1/4", "3/4", "4/4"]


def test_an_array_waits_for_its_device_until_it_is_stopped(
    array: ShardArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "queues"))
    training = DeviceQueue.of("cpu").join("training", at_once=True)
    with (
        array.held(),
        pytest.raises(KeyboardInterrupt),
        array.device("cpu", lambda: write_json(array.task.stop_file, {})),
    ):
        pass
    assert [place.run_id for place in DeviceQueue.of("cpu").places()] == ["training"]
    training.leave()
    with array.device("cpu", lambda: pytest.fail("It waits")):
        assert [place.run_id for place in DeviceQueue.of("cpu").places()] == [array.name]


def test_jobs_stop_ends_the_array_and_all_its_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    write_many(root, FRAMES)
    monkeypatch.setenv("CITYSEG_RUNS", str(tmp_path / "runs"))
    command = ["array", "convert", str(root), "--shards", "3", "--at-once", "2", "--workers", "1"]
    process = forks.fork(
        "import cityseg.cli.main, cityseg.jobs", forks.as_module("cityseg"), *command
    )
    array = ShardArray.of(tmp_path / "runs", "convert", [str(root), "--workers", "1"], 3)
    until(lambda: all(task.counts()[0] for task in array.shards[:2]) or process.poll() is not None)
    assert main(["jobs", "stop", array.name, "--runs", str(tmp_path / "runs")]) == 0
    assert process.wait() == 1
    assert "Interrupted" in process.errors.read_text()
    assert "3 shards of convert" in process.output.read_text()
    assert [task.state().phase for task in array.shards] == ["stopped", "stopped", "never"]
    assert f"{array.name} is stopped" in capsys.readouterr().out
    assert main(["jobs", "list", "--runs", str(tmp_path / "runs")]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith(f"{array.name} ")
    assert row.endswith(f"convert {root} --workers 1; 0 of 3 shards done")
    assert " stopped " in row


def test_arrays_that_cannot_be_asked_are_listed_with_the_reason(
    array: ShardArray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CITYSEG_CONFIG", str(tmp_path / "places.toml"))
    (tmp_path / "places.toml").touch()
    with array.held():
        about = read_json(array.task.folder / "array.json")
    write_json(array.task.folder / "array.json", {**about, "place": "slurm"})
    damaged = array.task.folder.with_name("array-damaged")
    damaged.mkdir()
    (damaged / "array.json").write_text("{")
    assert main(["jobs", "list", "--runs", str(tmp_path)]) == 0
    rows = {row.split()[0]: row for row in capsys.readouterr().out.splitlines()[1:]}
    assert rows.keys() == {array.name, "array-damaged"}
    assert " unknown " in rows[array.name]
    assert "has no section [slurm]" in rows[array.name]
    assert " broken " in rows["array-damaged"]
