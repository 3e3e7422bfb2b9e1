"""What is asked of Slurm, and what its answers mean; on a real one in `make check-slow`.

What jobs do alike everywhere is tested with jobs/machine.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_fixtures import queues, runs
from job_places import Place, job_of, slurm_place
from job_runs import ended, finish, finished, reaches
from slurm_cluster import submit_urgent
from tiny_runs import epoch_rows, make_city, timeless, tiny_config
from waiting import until

from cityseg.config import make_config
from cityseg.errors import PlaceError
from cityseg.jobs import list_runs, machine_at, resume, start, tail
from cityseg.places import engine_at
from cityseg.places.engine import Report, Work
from cityseg.places.settings import SlurmSettings
from cityseg.places.slurm import SlurmEngine, sbatch_parameters, slurm_report
from cityseg.runs.folder import RunDir

__all__ = ["queues", "runs"]


@pytest.mark.parametrize(
    ("word", "why", "report"),
    [
        ("PENDING", "Priority", Report("waiting", "PENDING", "Priority")),
        ("PENDING", "None", Report("waiting", "PENDING")),
        ("REQUEUE_HOLD", "", Report("waiting", "REQUEUE_HOLD", "requeue hold")),
        ("CONFIGURING", "", Report("waiting", "CONFIGURING", "configuring")),
        ("RUNNING", "None", Report("running", "RUNNING")),
        ("COMPLETING", "None", Report("running", "COMPLETING")),
        ("SUSPENDED", "None", Report("running", "SUSPENDED", "suspended")),
        ("COMPLETED", "None", Report("ended", "COMPLETED")),
        ("CANCELLED by 1000", "", Report("ended", "CANCELLED", "It was cancelled", "cancelled")),
        ("CANCELLED+", "", Report("ended", "CANCELLED", "It was cancelled", "cancelled")),
        (
            "TIMEOUT",
            "TimeLimit",
            Report("ended", "TIMEOUT", "Its time limit has passed (TimeLimit)", "time_limit"),
        ),
        (
            "OUT_OF_MEMORY",
            "",
            Report(
                "ended",
                "OUT_OF_MEMORY",
                "It needed more memory than it was given",
                "out_of_memory",
            ),
        ),
        ("NODE_FAIL", "", Report("ended", "NODE_FAIL", "Its node has failed", "node_failed")),
        (
            "PREEMPTED",
            "",
            Report("ended", "PREEMPTED", "It had to make way for another job", "preempted"),
        ),
        (
            "FAILED",
            "NonZeroExitCode",
            Report("ended", "FAILED", "It failed (NonZeroExitCode)", "error"),
        ),
        ("NEW_WORD", "", Report("ended", "NEW_WORD", "It has ended as NEW_WORD", "error")),
    ],
)
def test_each_state_of_a_job_has_a_meaning(word: str, why: str, report: Report) -> None:
    assert slurm_report(word, why) == report


def test_options_that_are_not_named_are_left_to_the_cluster() -> None:
    found = sbatch_parameters(SlurmSettings(), Work("a run", (), Path()))
    assert found["gpus_per_node"] == 1
    assert found["time"] == 24 * 60  # submitit's own limit is five minutes
    assert found["additional_parameters"] == {"requeue": True}
    assert not found.keys() & {"partition", "account", "qos", "constraint", "cpus_per_task", "mem"}


def test_options_reach_the_batch_script() -> None:
    from submitit.slurm.slurm import _make_sbatch_string

    settings = SlurmSettings(
        partition="gpu",
        account="lab",
        gpus=2,
        cpus=8,
        memory_gb=64,
        hours=1.5,
        signal_seconds=300,
        sbatch={"nice": 100, "exclusive": True},
    )
    parameters = sbatch_parameters(settings, Work("a run; touch x", (), Path(), devices=2))
    script = _make_sbatch_string("true", "/runs", **parameters).splitlines()
    for line in (
        "--partition=gpu",
        "--account=lab",
        "--gpus-per-node=4",
        "--cpus-per-task=16",
        "--mem=64GB",
        "--time=90",
        "--signal=USR2@300",
        "--requeue",
        "--nice=100",
        "--exclusive",
        "--job-name='a run; touch x'",
    ):
        assert f"#SBATCH {line}" in script


def test_a_command_without_a_device_has_the_cpus_of_one() -> None:
    found = sbatch_parameters(SlurmSettings(cpus=8), Work("a shard", (), Path(), devices=0))
    assert "gpus_per_node" not in found
    assert found["cpus_per_task"] == 8


def answering(folder: Path, monkeypatch: pytest.MonkeyPatch, **answers: str) -> SlurmEngine:
    """Slurm whose commands are scripts that do what `answers` say, and nothing else."""
    for name, script in answers.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return SlurmEngine(SlurmSettings())


def test_jobs_are_listed_with_their_positions_among_those_of_all_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = "echo '7|RUNNING|None|gpu'; echo '9|PENDING|Priority|gpu'; echo '8|FAILED|None|gpu'"
    waiting = '[ "$6" = --partition=gpu ] && echo 3; echo 9; echo 11'
    squeue = f'case "$*" in *--user=*) {listed};; *) {waiting};; esac'
    found = answering(tmp_path, monkeypatch, squeue=squeue).reports()
    assert {job: (each.stage, each.position) for job, each in found.items()} == {
        "7": ("running", None),
        "8": ("ended", None),
        "9": ("waiting", 2),
    }


def test_a_cluster_without_accounts_knows_no_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = answering(tmp_path, monkeypatch, sacct="echo accounting is disabled >&2; exit 1")
    assert engine.past("7") is None
    engine = answering(tmp_path, monkeypatch, sacct="echo TIMEOUT")
    assert engine.past("7") == slurm_report("TIMEOUT")


def test_jobs_are_cancelled_together_and_one_that_is_ending_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue = "echo '7_0|COMPLETING|None|gpu'; echo '7_1|RUNNING|None|gpu'"
    scancel = f'echo "$*" > {tmp_path}/cancelled; echo Job is ending >&2; exit 1'
    engine = answering(tmp_path, monkeypatch, squeue=squeue, scancel=scancel)
    engine.cancel("7_0", "7_2")
    assert (tmp_path / "cancelled").read_text() == "7_0 7_2\n"
    with pytest.raises(PlaceError, match="Job is ending"):
        engine.cancel("7_0", "7_1")


def test_commands_are_submitted_as_one_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="The extra slurm is not installed.")
    sbatch = (
        'while read -r line; do case "$line" in *--array=*|*--job-name=*) echo "$line";; esac; '
        f'done < "$1" >> {tmp_path}/options; echo Submitted batch job 7'
    )
    engine = answering(tmp_path, monkeypatch, sbatch=sbatch, srun="")
    works = [Work(f"shard {number}", ("true",), tmp_path) for number in range(3)]
    assert list(engine.submit_array("an array", works, 2)) == ["7_0", "7_1", "7_2"]
    lines = (tmp_path / "options").read_text().splitlines()
    assert lines == ["#SBATCH --array=0-2%2", "#SBATCH --job-name='an array'"]
    assert list(engine.submit_array("an array", works[:1], 2)) == ["7"]


def test_a_cluster_that_does_not_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = answering(tmp_path, monkeypatch, squeue="echo Unable to contact >&2; exit 1")
    with pytest.raises(PlaceError, match=r"squeue with an error \(Unable to contact\)"):
        engine.reports()
    with pytest.raises(PlaceError, match="no command sbatch here: run this where Slurm"):
        engine.check()


# On a real Slurm


@pytest.fixture
def slurm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with slurm_place(request, tmp_path) as place:
        yield place


def continues_after(run: RunDir, *command: str) -> None:
    """Assert that a run begins again and ends after this `command` on its job."""
    reaches(run, "running")
    subprocess.run([*command, job_of(run)], check=True)
    until(lambda: len(run.metrics()) == 2)
    reaches(run, "running")
    assert finished(run).phase == "done"


@pytest.mark.soak
def test_a_run_makes_way_for_an_urgent_job_and_continues_after_it(slurm: Place, runs: Path) -> None:
    run = slurm.start(runs)
    reaches(run, "running")
    submit_urgent(600)
    reaches(run, "queued")
    assert "stopped" in run.summary_file.read_text()  # with its state saved
    with pytest.raises(Exception, match="in use"):
        resume(run, machine=slurm.machine())
    subprocess.run(["scancel", "--partition=urgent"], check=True)
    until(lambda: len(run.metrics()) == 2)  # the trainer writes a row for each attempt
    assert finished(run).phase == "done"


@pytest.mark.soak
def test_a_training_that_made_way_has_the_rows_of_one_that_did_not(
    slurm: Place, runs: Path, tmp_path: Path
) -> None:
    data = make_city(tmp_path / "city")
    config = tiny_config(data, epochs=60)
    alone = start(config, runs)
    assert ended(alone).phase == "done"
    run = start(config, runs, machine=machine_at("slurm"))
    until(lambda: len(epoch_rows(run)) > 2)
    submit_urgent(600)
    reaches(run, "queued")
    assert 2 < len(epoch_rows(run)) < 60
    subprocess.run(["scancel", "--partition=urgent"], check=True)
    assert ended(run).phase == "done"
    # A stop adds a train row for the step at which it came.
    assert timeless(epoch_rows(run)) == timeless(epoch_rows(alone))


@pytest.mark.soak
def test_a_run_is_queued_again_before_its_time_limit(slurm: Place, runs: Path) -> None:
    # As Slurm does: to all processes of the job's steps.
    continues_after(slurm.start(runs), "scancel", "--signal=USR2")


@pytest.mark.soak
def test_a_job_that_is_requeued_by_hand_continues(slurm: Place, runs: Path) -> None:
    continues_after(slurm.start(runs), "scontrol", "requeue")


@pytest.mark.soak
def test_a_run_that_is_cancelled_by_hand_counts_as_stopped(slurm: Place, runs: Path) -> None:
    first, second = slurm.start(runs), slurm.start(runs)
    reaches(first, "running")
    reaches(second, "queued")
    for run in (first, second):
        subprocess.run(["scancel", job_of(run)], check=True)
    assert (ended(first).phase, ended(second).phase) == ("stopped", "stopped")
    assert resume(first, machine=slurm.machine())
    reaches(first, "running")
    finish(first)
    assert ended(first).phase == "done"


@pytest.mark.soak
def test_a_job_that_cannot_begin_is_a_failure_with_its_output(slurm: Place, runs: Path) -> None:
    submit_urgent(600)
    run = slurm.start(runs)
    reaches(run, "queued")
    run.config_file.rename(run.config_file.with_suffix(".away"))
    subprocess.run(["scancel", "--partition=urgent"], check=True)
    until(lambda: slurm.engine and slurm.engine.reports()[job_of(run)].stage == "ended")
    run.config_file.with_suffix(".away").rename(run.config_file)
    found = ended(run)
    assert (found.phase, found.reason) == ("failed", "error")
    assert found.detail == "It failed (NonZeroExitCode) (slurm: FAILED)"
    assert f"cityseg: {run.path} is no run" in "\n".join(tail(run))


@pytest.mark.soak
def test_a_job_that_slurm_refuses_is_an_error_and_is_not_listed_as_waiting(
    slurm: Place, runs: Path, tmp_path: Path
) -> None:
    (tmp_path / "places.toml").write_text("[slurm]\ngpus = 1\n")
    config = make_config({"device": "cpu", "data": tmp_path})
    place = Place("slurm", "slurm", engine_at("slurm"))
    refusal = r"refuses the job \(Invalid generic resource \(gres\) specification\): check"
    with pytest.raises(PlaceError, match=refusal):
        start(config, runs, machine=place.machine())
    (entry,) = list_runs(runs)
    assert entry.state
    assert entry.state.phase == "lost"
