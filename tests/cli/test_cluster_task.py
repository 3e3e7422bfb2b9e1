"""What runs on a cluster for a shard: it is done once, interrupted, stopped through its folder."""

import signal
from pathlib import Path

import forks
import pytest
from city import write_frame, write_many
from fake_cluster import Cluster
from tiny_runs import content_of
from waiting import until

from cityseg.cli.main import main
from cityseg.jobs import ShardArray, Task
from cityseg.jobs.cluster_shards import ClusterShards
from cityseg.places import EXIT_AGAIN
from cityseg.system import Lock, write_json


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    write_many(folder, 1500)
    return folder


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def submit(cluster: Cluster, runs: Path, *arguments: object) -> Task:
    """The task of the only shard of a conversion that the cluster was asked to do."""
    texts = list(map(str, arguments))
    array = ShardArray.of(runs, "convert", texts, 1, ClusterShards(cluster))
    array.task.folder.mkdir(parents=True, exist_ok=True)
    array.place.start(array.task, [(array.shards[0], [*texts, "--shard", "1/1"])], 1)
    return array.shards[0]


def begin(cluster: Cluster, job: int = -1) -> forks.Fork:
    """Run a job of the cluster, the newest one unless another is named."""
    command = cluster.submitted[job].command
    module = command[command.index("-m") + 1]
    imports = "import cityseg.cli.main, cityseg.jobs"
    return forks.fork(imports, forks.as_module(module), *command[-2:])


def test_a_shard_is_done_where_it_was_submitted(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_frame(tmp_path / "data", f"x_{number}_0")
    command = ["convert", str(tmp_path / "data"), "--splits", "train", "--out"]
    assert main([*command, str(tmp_path / "one")]) == 0
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("CITYSCAPES_DATASET", str(tmp_path / "data"))
        task = submit(cluster, tmp_path / "runs", "--splits", "train", "--out", "masks")
    process = begin(cluster)
    assert process.wait() == 0
    assert ClusterShards(cluster).state(task).phase == "done"
    assert task.counts() == (3, 3)
    lines = task.log_file.read_text().splitlines()
    assert lines[0].startswith("For slurm. Locks and renames work in")
    assert lines[1].startswith("On ")
    assert process.output.read_text() == process.errors.read_text() == ""
    assert main([*command, str(tmp_path / "masks"), "--merge"]) == 0
    assert content_of(tmp_path / "masks") == content_of(tmp_path / "one")


def test_a_job_that_was_overtaken_does_nothing(cluster: Cluster, tmp_path: Path) -> None:
    task = submit(cluster, tmp_path, "data")
    submit(cluster, tmp_path, "data")
    process = begin(cluster, 0)
    assert process.wait() == 1
    assert "was submitted again or done elsewhere since" in process.errors.read_text()
    assert not task.result_file.exists()


def test_a_shard_that_another_process_does_is_left_to_it(cluster: Cluster, tmp_path: Path) -> None:
    task = submit(cluster, tmp_path, "data")
    with Lock.take(task.lock_file):
        process = begin(cluster)
        assert process.wait() == 1
    assert "is being done by another process" in process.errors.read_text()


def test_a_command_that_fails_says_why(cluster: Cluster, tmp_path: Path) -> None:
    task = submit(cluster, tmp_path / "runs", tmp_path / "nowhere")
    assert begin(cluster).wait() == 1
    state = ClusterShards(cluster).state(task)
    assert state.phase == "failed"
    assert state.sentence.startswith(f"There is no folder {tmp_path / 'nowhere'}")


def test_a_folder_that_is_not_there_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(away)
        task = submit(cluster, tmp_path / "runs", "data")
    away.rmdir()
    assert begin(cluster).wait() == 1
    state = ClusterShards(cluster).state(task)
    assert state.phase == "failed"
    assert state.sentence.startswith(f"{away} is not found on")
    assert "start from a folder that all machines of the cluster share" in state.sentence


def test_a_shard_that_was_stopped_before_its_turn_does_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    task = submit(cluster, tmp_path, "data")
    write_json(task.stop_file, {})
    assert begin(cluster).wait() == 2
    assert ClusterShards(cluster).state(task).phase == "stopped"


def test_a_shard_at_work_is_interrupted_and_continues_or_stopped(
    cluster: Cluster, many: Path, tmp_path: Path
) -> None:
    options = (many, "--out", tmp_path / "masks", "--workers", 1)
    task = submit(cluster, tmp_path / "runs", *options)
    first = begin(cluster)
    until(lambda: task.counts()[0] or first.poll() is not None)
    first.send_signal(signal.SIGTERM)
    assert first.wait() == EXIT_AGAIN
    assert not task.result_file.exists()
    before = task.counts()[0]
    second = begin(cluster)  # as Slurm does it
    until(lambda: task.counts()[0] > before or second.poll() is not None)
    write_json(task.stop_file, {})
    assert second.wait() == 2
    assert ClusterShards(cluster).state(task).phase == "stopped"
    assert "Interrupted. Finished work is kept." in task.log_file.read_text()
