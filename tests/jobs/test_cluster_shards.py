"""Shards on a cluster: what is submitted, what its answers mean, and an array of them.

On a real one in `make check-slow`; what runs there is tested with cli/cluster_task. Also tests:
jobs/shard_places.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import forks
import pytest
from city import write_many
from fake_cluster import Cluster
from job_places import Place, ray_place, slurm_place
from slurm_cluster import submit_urgent
from tiny_runs import results_in
from waiting import until

from cityseg.cli.main import main
from cityseg.errors import ConfigError, PlaceError, RunError
from cityseg.jobs import ShardArray, Submission, Task, shard_place, submission_of
from cityseg.jobs.cluster_shards import ClusterShards
from cityseg.places import CONFIG_VARIABLE, Work
from cityseg.places.slurm import slurm_report
from cityseg.system import Lock, Process, read_json, write_json


@pytest.fixture(autouse=True)
def _ask_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FRESH_SECONDS", "_PROBLEM_SECONDS"):
        monkeypatch.setattr(f"cityseg.places.reports.{name}", 0.0)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def array(tmp_path: Path, cluster: Cluster) -> ShardArray:
    place = ClusterShards(cluster, grace_seconds=0.01, poll_seconds=0.01)
    return ShardArray.of(tmp_path / "runs", "convert", ["DATA"], 3, place)


@pytest.fixture
def waiting(array: ShardArray) -> ShardArray:
    """An array whose shards wait in the queue of the cluster."""
    start(array)
    return array


def start(array: ShardArray, at_once: int = 3) -> None:
    array.task.folder.mkdir(parents=True, exist_ok=True)
    shards = [(task, ["DATA", "--shard", f"{n}/3"]) for n, task in enumerate(array.shards, 1)]
    array.place.start(array.task, shards, at_once)


def submitted(task: Task) -> Submission:
    found = submission_of(task)
    assert found
    return found


def finish(task: Task, status: int = 0) -> None:
    write_json(task.result_file, {"status": status})


def phase(array: ShardArray, number: int) -> str:
    """The phase of a shard for a process that has asked nothing before."""
    assert isinstance(array.place, ClusterShards)
    return ClusterShards(array.place.engine).state(array.shards[number - 1]).phase


def refuse(*_: object) -> None:
    raise PlaceError("Slurm does not answer: try later")


# What is submitted


def test_shards_are_one_array_of_the_cluster(array: ShardArray, cluster: Cluster) -> None:
    start(array, at_once=2)
    assert cluster.arrays == [(array.name, 3, 2)]
    for number, (work, task) in enumerate(zip(cluster.submitted, array.shards, strict=True), 1):
        found = submitted(task)
        end = ("-m", "cityseg.cli.cluster_task", str(task.folder), found.token)
        assert work.command[-len(end) :] == end
        assert (work.name, work.folder) == (task.folder.name, array.task.folder)
        assert (found.place, found.job) == ("slurm", str(number))
        assert found.arguments == ["DATA", "--shard", f"{number}/3"]
        assert found.working_folder == str(Path.cwd())
        assert "For slurm. Locks and renames work in" in task.log_file.read_text()


def test_only_shards_with_a_network_use_a_device(
    array: ShardArray, tmp_path: Path, cluster: Cluster
) -> None:
    start(array)
    start(ShardArray.of(tmp_path / "runs", "predict", ["DATA"], 3, array.place))
    assert [work.devices for work in cluster.submitted] == [0, 0, 0, 1, 1, 1]


def test_the_dataset_of_the_environment_goes_along(
    array: ShardArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSCAPES_DATASET", "/data")
    start(array)
    assert submitted(array.shards[0]).variables == {"CITYSCAPES_DATASET": "/data"}


def test_names_that_are_no_utf8_are_refused(array: ShardArray, cluster: Cluster) -> None:
    array.task.folder.mkdir(parents=True)
    shards = [(array.shards[0], [os.fsdecode(b"\xff")])]
    with pytest.raises(RunError, match="slurm takes names in UTF-8 only: rename"):
        array.place.start(array.task, shards, 1)
    assert not cluster.submitted


# What a shard is doing


@pytest.mark.parametrize(
    ("word", "phase", "sentence"),
    [
        ("PENDING", "queued", ""),
        ("RUNNING", "running", ""),
        ("CANCELLED", "stopped", "It was cancelled (slurm: CANCELLED)"),
        ("FAILED", "failed", "It failed (slurm: FAILED)"),
        ("COMPLETED", "failed", "Its job has ended and left no result (slurm: COMPLETED)"),
    ],
)
def test_a_shard_without_a_process_is_as_the_cluster_says(
    waiting: ShardArray, cluster: Cluster, word: str, phase: str, sentence: str
) -> None:
    cluster.listed["1"] = slurm_report(word)
    found = ClusterShards(cluster).state(waiting.shards[0])
    assert (found.phase, found.sentence) == (phase, sentence)


def test_a_shard_of_which_the_cluster_knows_nothing_has_died(
    waiting: ShardArray, cluster: Cluster
) -> None:
    cluster.listed.clear()
    found = ClusterShards(cluster).state(waiting.shards[0])
    assert (found.phase, found.sentence) == ("died", "slurm knows nothing of its job")


def test_the_cluster_is_not_asked_about_what_the_folder_says(
    waiting: ShardArray, cluster: Cluster
) -> None:
    cluster.before_answer = lambda: pytest.fail("asked")
    first, second, _ = waiting.shards
    finish(first)
    assert phase(waiting, 1) == "done"
    with Lock.take(second.lock_file):
        assert phase(waiting, 2) == "running"


def test_the_folder_is_read_again_after_the_answer(waiting: ShardArray, cluster: Cluster) -> None:
    """A shard may begin and end between the two looks."""
    cluster.listed["1"] = slurm_report("COMPLETED")
    cluster.before_answer = lambda: finish(waiting.shards[0], 2)
    assert phase(waiting, 1) == "partly"


def test_a_shard_that_was_started_elsewhere_since_is_not_that_of_the_cluster(
    waiting: ShardArray, cluster: Cluster
) -> None:
    elsewhere = ClusterShards(Cluster(name="ray"))
    assert elsewhere.state(waiting.shards[0]).phase == "died"


# A stop


def test_a_stop_withdraws_what_waits_and_asks_what_works(
    waiting: ShardArray, cluster: Cluster
) -> None:
    first, _, third = waiting.shards
    finish(third)
    with Lock.take(first.lock_file):
        waiting.place.stop(waiting.shards)
        assert cluster.cancelled == ["2"]
        assert (phase(waiting, 1), phase(waiting, 2)) == ("stopping", "stopped")
        assert not third.stop_file.exists()
        waiting.place.stop(waiting.shards)
    assert cluster.cancelled == ["2", "1"]


def test_a_withdrawn_job_that_the_cluster_keeps_counts_as_stopped(
    waiting: ShardArray, cluster: Cluster
) -> None:
    """Ray keeps it until it has its turn."""
    waiting.place.stop(waiting.shards)
    cluster.listed["1"] = slurm_report("PENDING")
    assert phase(waiting, 1) == "stopped"


def test_shards_at_work_stop_though_the_cluster_does_not_answer(
    waiting: ShardArray, cluster: Cluster
) -> None:
    cluster.before_answer = refuse
    with Lock.take(waiting.shards[0].lock_file), pytest.raises(PlaceError, match="try later"):
        waiting.place.stop(waiting.shards)
    assert all(task.stop_file.exists() for task in waiting.shards)


def test_jobs_that_do_not_end_are_an_error(
    waiting: ShardArray, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.jobs.arrays._END_SECONDS", 0.01)
    expected = f"Shards of {waiting.name} could not be stopped: slurm does not end their jobs; end"
    with Lock.take(waiting.shards[0].lock_file), pytest.raises(RunError, match=expected):
        waiting.stop()
    assert "1" in cluster.cancelled


# An array


def run(array: ShardArray, then: Callable[[], object], at_once: int = 3) -> list[str]:
    """Run an array, with `then` called after each look; what was said of the cluster."""
    problems: list[str] = []
    with array.held():
        array.run(at_once=at_once, progress=lambda *_: then(), on_problem=problems.append)
    return problems


def test_an_array_of_the_cluster_is_submitted_at_once(array: ShardArray, cluster: Cluster) -> None:
    run(array, lambda: [finish(task) for task in array.shards], at_once=1)
    assert cluster.arrays == [(array.name, 3, 1)]


def test_without_arrays_the_next_shard_is_submitted_when_one_has_ended(
    tmp_path: Path,
) -> None:
    cluster = Cluster(name="ray", has_arrays=False)
    place = ClusterShards(cluster, poll_seconds=0.01)
    array = ShardArray.of(tmp_path, "convert", ["DATA"], 3, place)

    def finish_last() -> None:
        assert len(cluster.submitted) <= 3
        finish(array.shards[len(cluster.submitted) - 1])

    run(array, finish_last, at_once=1)
    assert [count for _, count, _ in cluster.arrays] == [1, 1, 1]


def test_the_same_array_waits_for_what_is_queued_and_submits_what_is_missing(
    array: ShardArray, cluster: Cluster
) -> None:
    start(array)
    finish(array.shards[0])
    cluster.listed["3"] = slurm_report("FAILED")
    run(array, lambda: [finish(task) for task in array.shards])
    assert [work.name for work in cluster.submitted[3:]] == [array.shards[2].folder.name]


def test_a_failure_withdraws_what_waits_and_is_named(array: ShardArray, cluster: Cluster) -> None:
    def fail() -> None:
        cluster.listed["2"] = slurm_report("FAILED", "NonZeroExitCode")

    expected = (
        r"Shard 2/3 of convert failed \(It failed \(NonZeroExitCode\) \(slurm: FAILED\)\): see "
        rf"{array.shards[1].log_file}, and repeat the command"
    )
    with pytest.raises(RunError, match=expected):
        run(array, fail)
    assert cluster.cancelled == ["1", "3"]
    assert array.shards[1].log_file.read_text().endswith("the output of 2\n")


def test_a_refused_shard_is_an_error_and_those_before_it_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(name="ray", has_arrays=False)
    place = ClusterShards(cluster, poll_seconds=0.01)
    array = ShardArray.of(tmp_path, "convert", ["DATA"], 2, place)
    take = cluster.submit

    def take_one(work: Work) -> str:
        return take(work) if not cluster.submitted else str(refuse())

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "submit", take_one)
        with pytest.raises(PlaceError, match="try later"):
            run(array, lambda: None)
    assert (phase(array, 1), phase(array, 2)) == ("queued", "died")
    run(array, lambda: [finish(task) for task in array.shards])
    assert [work.name for work in cluster.submitted] == [task.folder.name for task in array.shards]


def test_an_array_outlasts_a_cluster_that_does_not_answer_for_a_while(
    array: ShardArray, cluster: Cluster
) -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        cluster.before_answer = refuse if len(looks) < 4 else lambda: None
        if len(looks) == 6:
            for task in array.shards:
                finish(task)

    assert run(array, look) == ["Slurm does not answer: try later"]


def test_an_array_that_is_stopped_is_known_by_its_place(
    array: ShardArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def request_stop() -> None:
        write_json(array.task.stop_file, {})

    with pytest.raises(KeyboardInterrupt):
        run(array, request_stop)
    settings = tmp_path / "places.toml"
    settings.write_text("[slurm]\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(settings))
    found = ShardArray.open(tmp_path / "runs", array.name)
    assert found
    assert found.place.name == "slurm"
    settings.write_text("")
    with pytest.raises(ConfigError, match=r"has no section \[slurm\]: add one"):
        ShardArray.open(tmp_path / "runs", array.name)
    assert shard_place("local").name == "local"


def test_a_merged_array_is_not_asked_for_again(array: ShardArray, cluster: Cluster) -> None:
    run(array, lambda: [finish(task) for task in array.shards])
    with array.held():
        array.finish(0)
    assert [submission_of(task) for task in array.shards] == [None] * 3


# On real ones

CLUSTERS = {"slurm": slurm_place, "ray": ray_place}
FRAMES = 1500


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.soak) for name in CLUSTERS])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with CLUSTERS[request.param](request, tmp_path) as place:
        yield place


@pytest.fixture
def slurm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with slurm_place(request, tmp_path) as place:
        yield place


class Conversion:
    """Conversions of many frames: in one go, and as an array whose command may be given again."""

    def __init__(self, folder: Path, place: str, shards: int) -> None:
        self.folder = folder
        write_many(folder / "data", FRAMES)
        self.command = ["convert", str(folder / "data"), "--splits", "train", "--workers", "1"]
        assert main([*self.command, "--out", str(folder / "one")]) == 0
        self.command += ["--out", str(folder / "many")]
        self.options = ["array", "--shards", str(shards), "--on", place]
        arguments = self.command[1:]
        self.array = ShardArray.of(
            folder / "runs", "convert", arguments, shards, shard_place(place)
        )

    def begin(self) -> forks.Fork:
        imports = "import cityseg.cli.main, cityseg.jobs"
        command = [*self.options, *self.command]
        variables = {"CITYSEG_RUNS": str(self.folder / "runs")}
        return forks.fork(imports, forks.as_module("cityseg"), *command, variables=variables)

    def begin_until(self, number: int) -> forks.Fork:
        """Begin, and wait for a shard to be at work."""
        process, task = self.begin(), self.array.shards[number - 1]
        until(lambda: self._is_at_work(task) or process.poll() is not None)
        assert process.poll() is None, process.errors.read_text()
        return process

    @staticmethod
    def _is_at_work(task: Task) -> bool:
        return task.state().phase == "running" and task.counts()[0] > 0

    def is_merged(self) -> bool:
        return results_in(self.folder / "many") == results_in(self.folder / "one")


def test_an_array_is_killed_stopped_and_completed_by_the_same_command(
    real: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conversion = Conversion(tmp_path, real.name, 3)
    array = conversion.array
    killed = conversion.begin_until(1)
    process = Process.from_json(read_json(array.shards[0].process_file))
    assert process
    process.send(signal.SIGKILL)
    assert killed.wait() == 1
    assert "Shard 1/3 of convert failed (" in killed.errors.read_text()
    stopped = conversion.begin_until(1)
    assert main(["jobs", "stop", array.name, "--runs", str(tmp_path / "runs")]) == 0
    assert stopped.wait() == 1
    assert "Interrupted" in stopped.errors.read_text()
    assert f"{array.name} is stopped" in capsys.readouterr().out
    assert not any(array.place.state(task).is_live for task in array.shards)
    last = conversion.begin()
    assert last.wait() == 0, last.errors.read_text()
    assert f"{FRAMES:,} frames: {FRAMES:,} converted" in last.output.read_text()
    assert conversion.is_merged()


@pytest.mark.soak
def test_a_shard_makes_way_for_an_urgent_job_and_continues(slurm: Place, tmp_path: Path) -> None:
    conversion = Conversion(tmp_path, slurm.name, 2)
    process = conversion.begin_until(2)  # its own id is that of the array
    first, second = (submitted(task) for task in conversion.array.shards)
    assert first.job.partition("_")[0] == second.job.partition("_")[0]
    submit_urgent(600)
    until(lambda: conversion.array.place.state(conversion.array.shards[1]).phase == "queued")
    assert process.poll() is None
    subprocess.run(["scancel", "--partition=urgent"], check=True)
    assert process.wait() == 0, process.errors.read_text()
    assert conversion.is_merged()
