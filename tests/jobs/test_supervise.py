"""Supervisors: jobs that wait for their device, and trainers and supervisors that are killed."""

import os
import signal
import threading
from pathlib import Path

import pytest
from job_runs import (
    ended,
    finished,
    kill,
    machine,
    reaches,
    start_stand_in,
    supervisor_of,
    trainer_of,
)
from waiting import until

from cityseg.config import make_config
from cityseg.errors import RunError
from cityseg.jobs import LocalMachine, resume, start, state, stop, tail
from cityseg.runs.folder import RunDir

# Priority


def test_a_training_in_the_background_lets_other_programs_go_first(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    for process in (supervisor_of(run), trainer_of(run)):
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 5
        session = Path(f"/proc/{process.pid}/autogroup")
        assert not session.exists() or session.read_text().endswith(" nice 5\n")
    finished(run)


# Waiting


def test_runs_on_one_device_wait_for_each_other_in_order(runs: Path) -> None:
    first, second, third = (start_stand_in(runs) for _ in range(3))
    reaches(first, "running")
    assert [(state(run).phase, state(run).position) for run in (second, third)] == [
        ("queued", 1),
        ("queued", 2),
    ]
    assert state(third).text == "number 2 in the queue for cpu"
    finished(first)
    reaches(second, "running")
    assert (state(third).phase, state(third).position) == ("queued", 1)
    finished(second)
    reaches(third, "running")
    finished(third)


def test_two_simultaneous_starts_run_one_after_the_other(runs: Path) -> None:
    found: list[RunDir] = []
    starts = [threading.Thread(target=lambda: found.append(start_stand_in(runs))) for _ in (1, 2)]
    for each in starts:
        each.start()
    for each in starts:
        each.join()
    until(lambda: sorted(state(run).phase for run in found) == ["queued", "running"])
    found.sort(key=lambda run: state(run).phase, reverse=True)
    finished(found[0])
    reaches(found[1], "running")
    finished(found[1])


def test_different_gpus_run_side_by_side(runs: Path) -> None:
    found = [start_stand_in(runs, device=device) for device in ("cuda:0", "cuda:1", "cpu")]
    for run in found:
        reaches(run, "running")
    waiting = start_stand_in(runs, device="cuda:1")
    assert state(waiting).text == "number 1 in the queue for gpu-1"
    for run in (*found, waiting):
        finished(run)


def test_a_run_on_several_gpus_waits_for_all_of_them(runs: Path) -> None:
    second = start_stand_in(runs, device="cuda:1")
    both = start_stand_in(runs, device="cuda", devices=2)
    first = start_stand_in(runs, device="cuda:0")
    assert state(both).text == "number 1 in the queue for gpu-0 and 1 more"
    assert state(first).text == "number 2 in the queue for gpu-0"
    finished(second)
    reaches(both, "running")
    assert state(first).position == 1
    last = start_stand_in(runs, device="cuda:1")
    assert state(last).position == 1
    for process in (supervisor_of(both), trainer_of(both)):
        kill(process)
    for run in (first, last):
        reaches(run, "running")
        finished(run)


def test_now_starts_before_all_runs_that_wait(runs: Path) -> None:
    first, waiting = start_stand_in(runs), start_stand_in(runs)
    urgent = start_stand_in(runs, now=True)
    reaches(urgent, "running")
    finished(first)
    assert state(waiting).phase == "queued"
    finished(urgent)
    reaches(waiting, "running")
    finished(waiting)


def test_a_queued_run_can_be_cancelled(runs: Path) -> None:
    first, waiting, last = (start_stand_in(runs) for _ in range(3))
    stop(waiting)
    assert state(waiting).phase == "stopped"
    assert state(last).position == 1
    finished(first)
    reaches(last, "running")
    finished(last)


@pytest.mark.parametrize("behaviour", ["crash", "silent"])
def test_the_queue_continues_after_a_failure(runs: Path, behaviour: str) -> None:
    failing, waiting = start_stand_in(runs, behaviour), start_stand_in(runs, "done")
    assert ended(failing).phase == "failed"
    assert ended(waiting).phase == "done"


# Processes that are killed, or cannot be started


def test_without_its_supervisor_a_job_continues_and_keeps_its_device(runs: Path) -> None:
    run, waiting = start_stand_in(runs), start_stand_in(runs)
    trainer = trainer_of(run)
    reaches(run, "running")
    kill(supervisor_of(run))
    assert state(run).phase == "running"
    assert (state(waiting).phase, state(waiting).position) == ("queued", 1)
    with pytest.raises(RunError, match="is being trained by another process"):
        resume(run, machine=machine())
    assert trainer.is_alive()
    assert finished(run).phase == "done"
    reaches(waiting, "running")
    finished(waiting)


def test_without_its_supervisor_a_killed_trainer_is_lost(
    runs: Path,
) -> None:
    run, waiting = start_stand_in(runs), start_stand_in(runs)
    trainer = trainer_of(run)
    kill(supervisor_of(run))
    kill(trainer)
    reaches(run, "lost")
    assert state(run).can_resume
    reaches(waiting, "running")
    resume(run, machine=machine("done"))
    finished(waiting)
    assert ended(run).phase == "done"


def test_without_its_supervisor_a_waiting_job_is_lost_and_leaves_the_queue(runs: Path) -> None:
    first, waiting, last = (start_stand_in(runs) for _ in range(3))
    kill(supervisor_of(waiting))
    assert state(waiting).phase == "lost"
    assert state(last).position == 1
    for run in (first, last):
        finished(run)


def test_a_hangup_stops_a_job(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    supervisor_of(run).send(signal.SIGHUP)
    reaches(run, "stopped")


def test_a_job_without_its_supervisor_can_be_stopped(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    kill(supervisor_of(run))
    stop(run, machine=machine(terminate=0.5))
    assert state(run).phase == "stopped"


def test_a_killed_trainer_has_failed_with_a_reason(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    trainer_of(run).send(signal.SIGKILL)
    reaches(run, "failed")
    failed = state(run)
    assert failed.reason == "killed"
    assert failed.detail == "The training was killed by SIGKILL"
    assert failed.progress.total_steps == 10


def test_the_output_of_a_crash_is_in_the_log(runs: Path) -> None:
    run = start_stand_in(runs, "crash")
    failed = ended(run)
    assert (failed.reason, failed.hint) == ("error", "see run.log")
    assert tail(run)[0] == "no module is called numbers"


def test_a_trainer_that_cannot_be_started_is_a_failure(runs: Path) -> None:
    config = make_config({"device": "cpu"})
    run = start(config, runs, machine=LocalMachine(("/no/such/program",), checks_data=False))
    failed = ended(run)
    assert (failed.phase, failed.reason) == ("failed", "error")
    assert "No such file" in failed.detail
