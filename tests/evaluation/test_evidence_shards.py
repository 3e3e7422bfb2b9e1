"""Evidence in shards, one of them killed: the files of one run, and nothing works beside them.

Also tests: evaluation/evidence_key.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import forks
import pytest
import tiny_runs
from city import annotation_path

from cityseg.cli.main import main
from cityseg.data import Shard
from cityseg.errors import DatasetError, ScoreError
from cityseg.evaluation import evidence as evidence_module
from cityseg.evaluation.evidence import collect_evidence, collect_planned, plan_evidence
from cityseg.evaluation.evidence_files import part_path
from cityseg.evaluation.evidence_shards import ShardCounts, collect_shard, merge_evidence

FRAMES = 11
SHARD = """
import os, signal, sys
from pathlib import Path
from cityseg.data import Shard
from cityseg.evaluation import evidence
from cityseg.evaluation.evidence_shards import collect_shard

def die(done, total):
    if done == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

evidence.PART_FRAMES = 2
plan = evidence.plan_evidence(Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), device="cpu")
collect_shard(plan, Shard.parse(sys.argv[5]), die)
"""


@pytest.fixture(scope="module", autouse=True)
def _small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence_module, "PART_FRAMES", 2)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_weights(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of which one is damaged."""
    root = tiny_runs.make_city(tmp_path_factory.mktemp("evidence") / "city", 0, FRAMES)
    annotation_path(root, "tiny_000000_000004", "val").write_bytes(b"damaged")
    return root


@pytest.fixture(scope="module")
def whole(weights: Path, city: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of one run."""
    found = collect_evidence(weights, city, tmp_path_factory.mktemp("out"), device="cpu")
    return tiny_runs.results_in(found.folder)


def test_three_processes_and_a_kill_give_the_files_of_one_run(
    weights: Path, city: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    processes = [
        forks.fork(forks.TRAINING, SHARD, 3 * (n == 1), weights, city, tmp_path, f"{n}/3")
        for n in (1, 2, 3)
    ]
    assert [process.wait() for process in processes] == [-signal.SIGKILL, 0, 0]
    plan = plan_evidence(weights, city, tmp_path, device="cpu")
    with pytest.raises(DatasetError, match="Shard 1/3 of the same command is not done"):
        merge_evidence(plan)
    first = part_path(plan.folder, 0).stat()
    reports: list[tuple[int, int]] = []
    counts = collect_shard(plan, Shard(1, 3), lambda *report: reports.append(report))
    assert (counts, reports) == (ShardCounts(4, 0), [(3, 4), (4, 4)])
    assert part_path(plan.folder, 0).stat().st_ino == first.st_ino
    evidence = merge_evidence(plan)
    assert [len(evidence.store.names), len(evidence.skipped)] == [FRAMES - 1, 1]
    assert tiny_runs.results_in(plan.folder) == whole
    assert merge_evidence(plan).about.is_done
    assert collect_shard(plan, Shard(1, 3)) == ShardCounts(0, 0)


def test_a_part_that_is_damaged_is_named_and_written_again(
    weights: Path, city: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    plan = plan_evidence(weights, city, tmp_path, device="cpu")
    collect_shard(plan, Shard(1, 1))
    part_path(plan.folder, 3).write_bytes(b"damaged")
    with pytest.raises(ScoreError, match="missing or damaged: run the shards again"):
        merge_evidence(plan)
    collect_shard(plan, Shard(1, 1))
    merge_evidence(plan)
    assert tiny_runs.results_in(plan.folder) == whole


def test_a_pass_and_its_shards_keep_each_other_out(
    weights: Path, city: Path, tmp_path: Path
) -> None:
    plan = plan_evidence(weights, city, tmp_path, device="cpu", with_pictures=False)
    with (
        plan.shards().held(Shard(2, 3)),
        pytest.raises(ScoreError, match="Shard 2/3 of the same command is at work in"),
    ):
        collect_planned(plan_evidence(weights, city, tmp_path, device="cpu"))
    with (
        plan.held(),
        pytest.raises(ScoreError, match="Another process collects evidence in"),
    ):
        collect_shard(plan, Shard(1, 3))


def test_shards_on_the_command_line(
    weights: Path, city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evidence", str(weights), "--data", str(city), "--device", "cpu"]
    command += ["--corrupt", "fog:1,rain:1", "--no-pictures", "--out", str(tmp_path)]
    assert main([*command, "--merge"]) == 1
    assert "There are no shards to merge" in capsys.readouterr().err
    assert [main([*command, "--shard", f"{n}/2"]) for n in (1, 2)] == [2, 0]
    assert capsys.readouterr().out.count("5 frames, 1 skipped: ") == 3
    assert main([*command, "--merge"]) == 2
    assert f"10 frames, 2 corruptions: {tmp_path}" in capsys.readouterr().out
