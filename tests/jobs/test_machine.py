"""What every place where jobs run does alike: this machine, and a real cluster of one node.

Those of clusters are part of `make check-slow`.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_places import Place, local_place, ray_place, slurm_place
from job_runs import ended, finish, finished, kill, reaches, survivors, trainer_of
from waiting import until

from cityseg.errors import RunError
from cityseg.jobs import follow, list_runs, resume, state, stop, tail
from cityseg.runs.folder import RunDir

ROOT = Path(__file__).parents[2]


CLUSTERS = {"slurm": slurm_place, "ray": ray_place}


@pytest.fixture(
    params=["local", *(pytest.param(name, marks=pytest.mark.soak) for name in CLUSTERS)]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "local":
        yield local_place()
    else:
        with CLUSTERS[request.param](request, tmp_path) as found:
            yield found


def test_a_run_trains_to_its_end_and_leaves_no_process(
    place: Place, runs: Path, queues: Path
) -> None:
    run = place.start(runs)
    reaches(run, "running")
    found = state(run)
    assert (found.progress.step, found.progress.steps) == (10, 100)
    assert finished(run).phase == "done"
    until(lambda: not survivors(queues))
    (entry,) = list_runs(runs)
    assert entry.state
    assert entry.state.phase == "done"


def test_runs_wait_for_each_other_in_their_order(place: Place, runs: Path) -> None:
    first, second, third = (place.start(runs) for _ in range(3))
    reaches(first, "running")
    for position, run in ((1, second), (2, third)):
        until(lambda run=run, position=position: state(run).position == position)
        assert state(run).phase == "queued"
        assert state(run).text.startswith(f"number {position} in the queue for {place.device}")
    finished(first)
    reaches(second, "running")
    until(lambda: state(third).position == 1)
    finished(second)
    reaches(third, "running")
    finished(third)


def test_a_log_is_followed_to_the_end_of_its_run(place: Place, runs: Path) -> None:
    run = place.start(runs)
    reaches(run, "running")
    pieces: list[str] = []
    follower = threading.Thread(target=lambda: pieces.extend(follow(run)))
    follower.start()
    with run.log_file.open("a") as log:
        log.write("a line of the training\n")
    until(lambda: "a line of the training" in "".join(pieces))
    assert follower.is_alive()
    finish(run)
    follower.join()


def test_a_stop_lets_the_training_save_its_state(place: Place, runs: Path, queues: Path) -> None:
    run = place.start(runs)
    reaches(run, "running")
    stop(run, machine=place.machine())
    assert run.summary_file.read_text() == '{"status": "stopped"}'  # as the trainer writes it
    found = state(run)
    assert (found.phase, found.can_resume) == ("stopped", True)
    until(lambda: not survivors(queues))


def test_a_run_that_waits_is_stopped(place: Place, runs: Path) -> None:
    first, second = place.start(runs), place.start(runs)
    reaches(first, "running")
    reaches(second, "queued")
    stop(second, machine=place.machine())
    assert state(second).phase == "stopped"
    assert not second.metrics_file.exists()
    finished(first)
    assert state(second).phase == "stopped"


def test_a_stop_in_the_background_is_seen_at_once(place: Place, runs: Path) -> None:
    run = place.start(runs)
    reaches(run, "running")
    stop(run, wait=False)
    assert state(run).phase in ("stopping", "stopped")
    reaches(run, "stopped")


def test_a_training_that_ignores_a_stop_is_killed(place: Place, runs: Path, queues: Path) -> None:
    run = place.start(runs, "stubborn")
    reaches(run, "running")
    stop(run, machine=place.machine(ask=1.0, terminate=1.0, kill=60.0))
    assert state(run).phase == "stopped"
    until(lambda: not survivors(queues))


def test_a_stopped_run_continues_under_its_id(place: Place, runs: Path) -> None:
    run = place.start(runs)
    reaches(run, "running")
    stop(run, machine=place.machine())
    assert resume(run, machine=place.machine())
    until(lambda: len(run.metrics()) == 2)
    reaches(run, "running")
    assert finished(run).phase == "done"
    assert [entry.id for entry in list_runs(runs)] == [run.id]


def test_a_crash_is_explained_in_the_log(place: Place, runs: Path) -> None:
    run = place.start(runs, "crash")
    found = ended(run)
    assert (found.phase, found.reason, found.hint) == ("failed", "error", "see run.log")
    assert "no module is called numbers" in tail(run)


def test_a_killed_training_is_a_failure_that_can_be_resumed(place: Place, runs: Path) -> None:
    run = place.start(runs)
    reaches(run, "running")
    kill(trainer_of(run))
    found = ended(run)
    assert (found.phase, found.reason) == ("failed", "killed")
    assert found.detail == f"The training was killed by {signal.SIGKILL.name}"
    assert resume(run, machine=place.machine())
    reaches(run, "running")
    assert finished(run).phase == "done"


def test_a_live_run_is_not_started_twice(place: Place, runs: Path) -> None:
    first, second = place.start(runs), place.start(runs)
    reaches(first, "running")
    reaches(second, "queued")
    for run in (first, second):
        before = sorted(run.job.iterdir())
        with pytest.raises(RunError, match="stop"):
            resume(run, machine=place.machine())
        assert sorted(run.job.iterdir()) == before
    finished(first)
    reaches(second, "running")
    finished(second)


STARTER = """
import sys; sys.path.insert(0, "tests/support")
from pathlib import Path
from job_places import configured_place
print(configured_place(sys.argv[1]).start(Path(sys.argv[2])).path, flush=True)
"""
WATCHER = """
import sys
from pathlib import Path
from cityseg.jobs import state
from cityseg.runs import RunDir
print(*(state(RunDir(Path(run))).phase for run in sys.argv[1:]))
"""


def test_a_run_outlives_the_process_that_starts_it_and_any_other_sees_its_state(
    place: Place, runs: Path
) -> None:
    def output(code: str, *arguments: object) -> str:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    first = RunDir(Path(output(STARTER, place.name, runs)))
    second = place.start(runs)
    reaches(first, "running")
    reaches(second, "queued")
    assert output(WATCHER, first.path, second.path) == "running queued"
    finished(first)
    reaches(second, "running")
    finished(second)
