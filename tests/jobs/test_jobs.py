"""Jobs with a stand-in for the trainer: starting, waiting in line, ending, whoever is killed.

Mirrors no module: it drives a whole job through jobs/__init__, jobs/local, jobs/machine,
jobs/supervise, jobs/stopping and jobs/trainer.

Also tests: jobs/local, jobs/machine, jobs/supervise, jobs/stopping, jobs/trainer.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from job_runs import (
    finish,
    kill,
    machine,
    reaches,
    start_stand_in,
    supervisor_of,
    survivors,
    trainer_of,
    until,
)
from tiny_runs import content_of

from cityseg.config import make_config
from cityseg.defaults import RUNS_VARIABLE
from cityseg.errors import RunError
from cityseg.jobs import JobState, LocalMachine, list_runs, resume, start, state, stop, tail
from cityseg.jobs.queue import DeviceQueue, Ticket
from cityseg.runs.folder import RunDir
from cityseg.system.files import read_json
from cityseg.system.processes import Process, descendants

ROOT = Path(__file__).parents[2]


def ended(run: RunDir) -> JobState:
    until(lambda: not state(run).is_live)
    return state(run)


def finished(run: RunDir) -> JobState:
    finish(run)
    return ended(run)


# Starting


def test_a_started_job_runs_to_its_end_and_leaves_the_queue(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    assert state(run).device == "cpu"
    assert finished(run).phase == "done"
    until(lambda: not DeviceQueue(queues / "cpu").places())
    until(lambda: not survivors(queues))


def test_runs_are_kept_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "mine"))
    run = start(make_config({"device": "cpu", "data": tmp_path}), machine=machine())
    assert run.path.parent == tmp_path / "mine"
    assert [entry.id for entry in list_runs()] == [run.id]
    assert finished(run).phase == "done"


def test_no_child_of_the_starter_is_left_in_it(runs: Path) -> None:
    before = descendants({os.getpid()})
    run = start_stand_in(runs)
    assert descendants({os.getpid()}) == before  # zombies would count
    finished(run)


def test_a_run_is_locked_from_before_it_can_be_seen_to_its_end(runs: Path) -> None:
    phases: list[set[str]] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            phases.append({each.state.phase for each in list_runs(runs) if each.state})

    watcher = threading.Thread(target=watch)
    watcher.start()
    run = start_stand_in(runs)
    reaches(run, "running")
    finished(run)
    is_over.set()
    watcher.join()
    assert set().union(*phases) <= {"queued", "starting", "running", "done"}


def test_a_title_is_never_a_path_or_an_argument(runs: Path, tmp_path: Path) -> None:
    run = start_stand_in(runs, title="../../up; touch x --now <b>")
    assert run.path.parent == runs
    assert "touch x" not in Path(f"/proc/{trainer_of(run).pid}/cmdline").read_text()
    finished(run)


def test_a_start_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file cannot be written \(Not a directory\)"):
        start_stand_in(tmp_path / "file")


def test_a_start_with_a_queue_of_another_kind_says_so(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "link"))
    with pytest.raises(RunError, match="link is a link or belongs to another user"):
        start_stand_in(runs)


def open_files() -> set[str]:
    """What this process has open, pipes and the like aside."""
    descriptors = os.listdir("/proc/self/fd")
    links = (f"/proc/self/fd/{each}" for each in descriptors)
    return {target for link in links if (target := os.path.realpath(link)).startswith("/")}


def assert_nothing_is_held(runs: Path, queues: Path, open_before: set[str]) -> None:
    """The run can be resumed and the device is free, though this process lives on."""
    assert open_files() <= open_before
    assert not DeviceQueue(queues / "cpu").places()
    (entry,) = list_runs(runs)
    assert entry.state
    assert entry.state.phase == "lost"
    assert resume(entry.run, machine=machine())
    assert finished(entry.run).phase == "done"


def test_a_start_that_finds_no_queue_keeps_no_lock(
    runs: Path, queues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_start = Ticket.try_start

    def without_queue(ticket: Ticket) -> bool:
        shutil.rmtree(queues)
        return try_start(ticket)

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(Ticket, "try_start", without_queue)
        with pytest.raises(RunError, match="No such file"):
            start_stand_in(runs)
    assert_nothing_is_held(runs, queues, before)


def test_a_start_that_fails_for_any_reason_keeps_no_lock(runs: Path, queues: Path) -> None:
    before = open_files()
    with pytest.raises(ValueError, match="null byte"):
        start(make_config({"device": "cpu"}), runs, machine=LocalMachine(("/bin/x\0",)))
    assert_nothing_is_held(runs, queues, before)


# One click


def test_clicks_at_the_same_moment_are_one_run(runs: Path) -> None:
    found: list[RunDir] = []
    clicks = [
        threading.Thread(target=lambda: found.append(start_stand_in(runs, click="form 1 <>/..")))
        for _ in range(4)
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert len({run.path for run in found}) == 1
    assert len(list_runs(runs)) == 1
    finished(found[0])
    assert start_stand_in(runs, click="form 1 <>/..").path == found[0].path
    assert state(found[0]).phase == "done"


def test_other_settings_or_another_click_are_another_run(runs: Path) -> None:
    found = [
        start_stand_in(runs, "done", **settings)
        for settings in ({"click": "1"}, {"click": "1", "seed": 2}, {"click": "2"}, {}, {})
    ]
    assert len({run.path for run in found}) == 5
    for run in found:
        assert ended(run).phase == "done"


def test_a_click_whose_starter_was_killed_half_way_is_started_by_the_next(runs: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from cityseg.config import make_config\n"
        "from cityseg.jobs import LocalMachine, start\n"
        "class Dying(LocalMachine):\n"
        "    def submit(self, run, lock, *, now): os.kill(os.getpid(), signal.SIGKILL)\n"
        "runs = Path(sys.argv[1])\n"
        "config = make_config({'device': 'cpu', 'data': runs.parent})\n"
        "start(config, runs, click='1', machine=Dying())"
    )
    done = subprocess.run([sys.executable, "-c", script, runs], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = list_runs(runs)
    assert left.state
    assert left.state.phase == "lost"
    run = start_stand_in(runs, click="1")
    assert run.path == left.run.path
    assert finished(run).phase == "done"


# Waiting in line


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


def test_two_starts_at_the_same_moment_run_one_after_the_other(runs: Path) -> None:
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


def test_now_goes_ahead_of_all_who_wait(runs: Path) -> None:
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
def test_the_queue_goes_on_after_a_failure(runs: Path, behaviour: str) -> None:
    failing, waiting = start_stand_in(runs, behaviour), start_stand_in(runs, "done")
    assert ended(failing).phase == "failed"
    assert ended(waiting).phase == "done"


# Somebody is killed


STARTER = """
import sys; sys.path.insert(0, "tests/support")
from pathlib import Path
from job_runs import start_stand_in
print(start_stand_in(Path(sys.argv[1])).path, flush=True)
sys.stdin.read()
"""


def test_a_job_outlives_its_starter_and_obeys_others(runs: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, runs],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with starter:
        assert starter.stdout
        run = RunDir(Path(starter.stdout.readline().strip()))
        os.killpg(starter.pid, signal.SIGKILL)
    reaches(run, "running")
    (run.log_file).write_text("a line\n")
    assert tail(run) == ["a line"]
    stop(run)
    assert state(run).phase == "stopped"


def test_without_its_supervisor_a_job_runs_on_and_keeps_its_device(runs: Path) -> None:
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


def test_without_its_supervisor_a_killed_trainer_is_lost_and_the_queue_goes_on(runs: Path) -> None:
    run, waiting = start_stand_in(runs), start_stand_in(runs)
    trainer = trainer_of(run)
    kill(supervisor_of(run))
    kill(trainer)
    reaches(run, "lost", seconds=10)
    assert state(run).can_resume
    reaches(waiting, "running")
    resume(run, machine=machine("done"))
    finished(waiting)
    assert ended(run).phase == "done"


def test_without_its_supervisor_a_waiting_job_is_lost_and_leaves_the_line(runs: Path) -> None:
    first, waiting, last = (start_stand_in(runs) for _ in range(3))
    kill(supervisor_of(waiting))
    assert state(waiting).phase == "lost"
    assert state(last).position == 1
    for run in (first, last):
        finished(run)


def test_a_job_without_its_supervisor_can_be_stopped(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    kill(supervisor_of(run))
    stop(run, machine=machine(terminate=0.5))
    assert state(run).phase == "stopped"


def test_a_killed_trainer_has_failed_and_says_so(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    trainer_of(run).send(signal.SIGKILL)
    reaches(run, "failed", seconds=10)
    failed = state(run)
    assert failed.reason == "killed"
    assert failed.detail == "The training was killed by SIGKILL"
    assert failed.progress.total_steps == 10


def test_what_a_crash_prints_is_in_the_log(runs: Path) -> None:
    run = start_stand_in(runs, "crash")
    failed = ended(run)
    assert (failed.reason, failed.hint) == ("error", "see run.log")
    assert tail(run)[0] == "no module is called numbers"


def test_a_trainer_that_cannot_be_started_is_a_failure(runs: Path) -> None:
    config = make_config({"device": "cpu"})
    run = start(config, runs, machine=LocalMachine(("/no/such/program",)))
    failed = ended(run)
    assert (failed.phase, failed.reason) == ("failed", "error")
    assert "No such file" in failed.detail


# Stopping


def test_a_stop_waits_until_no_process_is_left(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stop(run)
    assert state(run).phase == "stopped"
    assert not survivors(queues)


def test_who_does_not_listen_is_killed_with_all_descendants(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs, "stubborn")
    reaches(run, "running")
    child = Process.of(int((run.path / "child").read_text()))
    assert child
    stop(run, machine=machine(ask=0.3, terminate=0.3))
    assert state(run).phase == "stopped"
    assert not child.is_alive()
    assert not survivors(queues)


def test_what_an_obedient_trainer_leaves_behind_is_ended_too(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs, "orphaning")
    reaches(run, "running")
    stop(run, machine=machine(terminate=0.3))
    assert read_json(run.summary_file)["status"] == "stopped"
    assert not survivors(queues)


def test_a_run_is_stopping_until_it_has_stopped(runs: Path) -> None:
    run = start_stand_in(runs, "stubborn")
    reaches(run, "running")
    stopper = threading.Thread(
        target=stop, args=(run,), kwargs={"machine": machine(ask=0.5, terminate=0.1)}
    )
    stopper.start()
    reaches(run, "stopping")
    stopper.join()
    assert state(run).phase == "stopped"


def test_a_stop_in_the_background_returns_at_once_and_stops(runs: Path, queues: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stop(run, wait=False)
    reaches(run, "stopped")
    until(lambda: not survivors(queues))


def test_stops_from_all_sides_ask_the_trainer_once(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stoppers = [threading.Thread(target=stop, args=(run,)) for _ in range(3)]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()
    assert read_json(run.summary_file) == {"status": "stopped"}  # a second signal would kill it


def test_a_run_that_has_ended_stays_as_it_is_when_stopped(runs: Path) -> None:
    run = start_stand_in(runs, "done")
    assert ended(run).phase == "done"
    stop(run)
    assert state(run).phase == "done"
    assert not run.stop_file.exists()


def test_a_process_that_got_the_pid_of_a_trainer_is_not_hit(runs: Path) -> None:
    run = start_stand_in(runs, "done")
    ended(run)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        was = Process.of(stranger.pid)
        assert was
        forged = was.to_json() | {"start_ticks": was.start_ticks - 1}
        run.trainer_file.write_text(json.dumps(forged))
        with run.locked(), pytest.raises(RunError, match="could not be stopped"):
            stop(run, machine=machine(ask=0.2, terminate=0.2, kill=0.2))
        assert stranger.poll() is None
        stranger.kill()


# Resuming


def test_a_stopped_run_goes_on_under_its_id(runs: Path) -> None:
    run = start_stand_in(runs)
    reaches(run, "running")
    stop(run)
    resume(run, machine=machine())
    reaches(run, "running")
    assert finished(run).phase == "done"
    assert [each.run.path for each in list_runs(runs)] == [run.path]


def test_a_run_that_is_done_stays_as_it_is_when_resumed(runs: Path) -> None:
    run = start_stand_in(runs)
    finished(run)
    before = content_of(run.path)
    assert not resume(run, machine=machine())
    assert content_of(run.path) == before
    assert state(run).phase == "done"


def test_what_is_in_use_or_no_run_is_not_resumed(runs: Path, tmp_path: Path) -> None:
    run = start_stand_in(runs)
    with pytest.raises(RunError, match="is being trained by another process"):
        resume(run, machine=machine())
    finished(run)
    with pytest.raises(RunError, match="is no run"):
        resume(RunDir(tmp_path), machine=machine())
