"""An audit in shards, one of them killed: the table of one run, and what is missing is named."""

import signal
from pathlib import Path

import forks
import pytest
import tiny_runs
from city import annotation_path, image_path, write

from cityseg.cli.main import main
from cityseg.data import Shard
from cityseg.errors import DatasetError
from cityseg.review.audit import AuditPlan, audit_dataset, plan_audit
from cityseg.review.audit_shards import audit_shard, merge_audit

SPLITS = ("train", "val")
AUDITING = "import cityseg.cli.main, cityseg.review"
SHARD = """
import os, signal, sys
from pathlib import Path
from cityseg.data import Shard
from cityseg.review import audit_shard, plan_audit

def die(done, total):
    if done == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

plan = plan_audit(Path(sys.argv[2]), ("train", "val"))
audit_shard(plan, Path(sys.argv[3]), Shard.parse(sys.argv[4]), workers=1, progress=die)
"""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city with faults: a copy of a picture in the other split, a damaged annotation."""
    root = tiny_runs.make_city(tmp_path_factory.mktemp("audit") / "city", 8, 4)
    first, last = (
        image_path(root, f"tiny_000000_{n:06}", s) for n, s in ((0, "train"), (3, "val"))
    )
    last.write_bytes(first.read_bytes())
    annotation_path(root, "tiny_000000_000003").write_bytes(b"damaged")
    annotation_path(root, "tiny_000000_000005", kind="instanceIds.png").write_bytes(b"")
    return root


@pytest.fixture
def plan(city: Path) -> AuditPlan:
    return plan_audit(city, SPLITS)


def test_three_processes_and_a_kill_give_the_findings_of_one_run(
    city: Path, plan: AuditPlan, tmp_path: Path
) -> None:
    processes = [
        forks.fork(AUDITING, SHARD, 2 * (n == 3), city, tmp_path, f"{n}/3") for n in (1, 2, 3)
    ]
    assert [process.wait() for process in processes] == [0, 0, -signal.SIGKILL]
    with pytest.raises(DatasetError, match="Shard 3/3 of the same command is not done"):
        merge_audit(plan, tmp_path)
    done: list[int] = []
    audit_shard(plan, tmp_path, Shard(3, 3), progress=lambda number, total: done.append(number))
    assert done == [3, 4]
    merged, whole = merge_audit(plan, tmp_path), audit_dataset(city, splits=SPLITS)
    # As texts, because the confidence of findings without a network is NaN.
    assert repr(merged) == repr(whole)
    reasons = {finding.reason for finding in merged.findings}
    assert {"unreadable", "exact_copy"} <= reasons
    assert list(tmp_path.iterdir()) == []


def test_frames_are_examined_again_when_the_sample_has_changed(
    plan: AuditPlan, city: Path, tmp_path: Path
) -> None:
    audit_shard(plan, tmp_path, Shard(1, 1))
    changed = plan.frames[1].label_ids
    assert changed
    write(changed, changed.read_bytes() + b"\n")
    with pytest.raises(DatasetError, match="There are no shards to merge"):
        merge_audit(plan, tmp_path)


def test_the_table_of_shards_has_the_bytes_of_one_run(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, many = tmp_path / "one" / "found.parquet", tmp_path / "many" / "found.parquet"
    assert main(["audit", str(city), "--out", str(one)]) == 0
    printed = capsys.readouterr().out.replace("one", "many")
    command = ["audit", str(city), "--out", str(many)]
    assert [main([*command, "--shard", f"{n}/2"]) for n in (2, 1)] == [0, 0]
    assert capsys.readouterr().out == "6 frames audited.\n6 frames audited.\n"
    assert main([*command, "--merge"]) == 0
    assert capsys.readouterr().out == printed
    assert tiny_runs.results_in(many.parent) == tiny_runs.content_of(one.parent)


def test_shards_without_a_common_folder_are_refused(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(city), "--shard", "1/2"]) == 1
    assert "name it with --out or --runs" in capsys.readouterr().err
