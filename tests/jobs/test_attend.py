"""The process beside a trainer on a cluster: what it does with signals and requests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from job_runs import STAND_IN, ended, finish, kill, reaches, trainer_of
from waiting import until

from cityseg.config import make_config
from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.jobs import attend, state
from cityseg.places import EXIT_AGAIN
from cityseg.runs.folder import RunDir
from cityseg.system import write_json
from cityseg.system.processes import module_command, spawn

TRAINER = (sys.executable, "-S", "-E", str(STAND_IN))


@pytest.fixture
def run(runs: Path) -> RunDir:
    """A run as it is when a cluster begins its job."""
    found = RunDir.create(runs, make_config({"device": "cpu", "data": runs.parent}))
    found.begin_attempt()
    write_json(found.place_file, {"place": "slurm", "job": "7", "token": "newest"})
    return found


def begin(run: RunDir, *trainer: str, submission: str = "newest") -> subprocess.Popen[bytes]:
    options = ("--run", str(run.path), "--place", "slurm", "--token", submission, "--")
    command = module_command("cityseg.jobs.attend", *options, *(trainer or (*TRAINER, "obedient")))
    with errors_of(run).open("wb") as errors:
        return spawn(command, stderr=errors)


def errors_of(run: RunDir) -> Path:
    """What the process writes before it has the run's log."""
    return run.path.parent / "errors"


def test_an_interrupted_run_may_be_run_again_until_it_is_done(run: RunDir) -> None:
    # A cluster signals all processes of a job: to make way, and at the end of its time.
    for attempt, number in enumerate((signal.SIGTERM, signal.SIGUSR1), 1):
        process = begin(run, *TRAINER, "several")
        until(lambda attempt=attempt: len(run.metrics()) == attempt)
        reaches(run, "running")
        if number == signal.SIGUSR1:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)
        assert process.wait() == EXIT_AGAIN
        assert run.summary_file.read_text() == '{"status": "stopped"}'  # by the trainer
        assert not run.stop_file.exists()
    process = begin(run)
    until(lambda: len(run.metrics()) == 3)
    os.killpg(process.pid, signal.SIGUSR2)  # of which submitit takes care
    finish(run)
    assert process.wait() == EXIT_ALL
    assert state(run).phase == "done"
    assert "Locks and renames work in" in run.log_file.read_text()


def test_a_training_that_ends_before_the_signal_is_read_was_interrupted(run: RunDir) -> None:
    process = begin(run, *TRAINER, "several")
    reaches(run, "running")
    process.send_signal(signal.SIGSTOP)
    os.killpg(process.pid, signal.SIGTERM)
    until(run.summary_file.exists)
    assert run.stop_file.exists()  # by the trainer
    process.send_signal(signal.SIGCONT)
    assert process.wait() == EXIT_AGAIN
    assert not run.stop_file.exists()


def test_a_requested_stop_is_none_of_the_cluster(run: RunDir) -> None:
    process = begin(run)
    reaches(run, "running")
    write_json(run.stop_file, {})
    assert process.wait() == EXIT_SOME
    assert run.summary_file.read_text() == '{"status": "stopped"}'
    before = run.metrics()
    assert begin(run).wait() == EXIT_SOME  # the cluster runs it again all the same
    assert run.metrics() == before
    assert state(run).phase == "stopped"


def test_a_trainer_that_is_killed_while_the_job_ends_was_interrupted(run: RunDir) -> None:
    process = begin(run, *TRAINER, "stubborn")
    reaches(run, "running")
    os.killpg(process.pid, signal.SIGTERM)
    kill(trainer_of(run))
    os.kill(int((run.path / "child").read_text()), signal.SIGKILL)
    assert process.wait() == EXIT_AGAIN


def test_a_trainer_that_is_killed_alone_has_failed(run: RunDir) -> None:
    process = begin(run)
    reaches(run, "running")
    kill(trainer_of(run))
    assert process.wait() == EXIT_NOTHING
    assert ended(run).reason == "killed"


def test_a_trainer_that_cannot_be_started_is_a_failure(run: RunDir) -> None:
    assert begin(run, "/no/such/program").wait() == EXIT_NOTHING
    found = ended(run)
    assert (found.phase, found.reason) == ("failed", "error")
    assert "No such file" in found.detail


def test_a_job_leaves_a_run_alone_that_was_submitted_again_since(run: RunDir) -> None:
    before = sorted(run.path.rglob("*"))
    process = begin(run, submission="older")
    assert process.wait() == EXIT_NOTHING
    assert errors_of(run).read_text() == (
        f"cityseg: {run.path} was submitted again or resumed elsewhere since: it is left alone\n"
    )
    assert sorted(run.path.rglob("*")) == before


def test_a_job_leaves_a_run_alone_that_another_process_trains(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attend, "_LOCK_SECONDS", 0.0)
    masks = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handler = signal.getsignal(signal.SIGUSR2)
    try:
        with run.locked():
            options = ["--run", str(run.path), "--place", "slurm", "--token", "newest"]
            assert attend.main([*options, "--", "true"]) == EXIT_NOTHING
    finally:
        signal.signal(signal.SIGUSR2, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, masks)
    assert "is being trained by another process" in capsys.readouterr().err
