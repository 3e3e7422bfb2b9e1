"""The state of a run on a cluster: what its folder says, and what only the cluster knows.

What jobs do alike everywhere is tested with jobs/machine. Also tests: jobs/machines.
"""

import os
from pathlib import Path

import pytest
from fake_cluster import Cluster
from job_runs import STAND_IN

from cityseg.config import make_config
from cityseg.errors import ConfigError, PlaceError, RunError
from cityseg.jobs import PlacedMachine, list_runs, machine_at, start, state
from cityseg.jobs.machines import THIS_MACHINE, machine_of
from cityseg.jobs.placed import placement_of
from cityseg.places import CONFIG_VARIABLE
from cityseg.places.slurm import slurm_report
from cityseg.runs import archive_run
from cityseg.runs.folder import RunDir
from cityseg.system import read_json, write_json


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def machine(cluster: Cluster) -> PlacedMachine:
    return PlacedMachine(cluster, ("python", str(STAND_IN), "obedient"), checks_data=False)


@pytest.fixture
def run(machine: PlacedMachine, runs: Path) -> RunDir:
    return start(make_config({"device": "cpu", "data": runs.parent}), runs, machine=machine)


def fresh_state(run: RunDir, cluster: Cluster) -> "tuple[str, str, str]":
    """Phase, reason and text for a process that has asked nothing before."""
    found = PlacedMachine(cluster).state(run)
    return found.phase, found.reason, found.text


def test_a_submitted_run_knows_its_place_and_its_command(run: RunDir, cluster: Cluster) -> None:
    (work,) = cluster.submitted
    placed = placement_of(run)
    assert placed
    assert (placed.place, placed.job) == ("slurm", "1")
    assert (work.name, work.folder) == (run.id, run.job)
    end = ("--token", placed.token, "--", "python", str(STAND_IN), "obedient")
    assert work.command[-len(end) :] == end
    assert "Locks and renames work in" in run.log_file.read_text()
    assert not run.is_locked()


@pytest.mark.parametrize(
    ("word", "why", "expected"),
    [
        ("PENDING", "Priority", ("queued", "", "in the queue for slurm (Priority)")),
        ("PENDING", "", ("queued", "", "in the queue for slurm")),
        ("RUNNING", "", ("starting", "", "starting")),
        ("CANCELLED", "", ("stopped", "", "0 of 10 epochs")),
        (
            "TIMEOUT",
            "",
            ("failed", "time_limit", "Its time limit has passed (slurm: TIMEOUT)"),
        ),
        (
            "COMPLETED",
            "",
            (
                "failed",
                "error",
                "Its job on slurm has ended and left no result (slurm: COMPLETED)",
            ),
        ),
    ],
)
def test_a_run_without_a_process_is_as_the_cluster_says(
    run: RunDir, cluster: Cluster, word: str, why: str, expected: tuple[str, str, str]
) -> None:
    cluster.listed["1"] = slurm_report(word, why)
    assert fresh_state(run, cluster) == expected


def test_a_run_of_which_the_cluster_knows_nothing_is_lost(run: RunDir, cluster: Cluster) -> None:
    cluster.listed.clear()
    text = "It has left no result, and slurm knows nothing of its job"
    assert fresh_state(run, cluster) == ("lost", "lost", text)


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("PENDING", "queued"),
        ("COMPLETING", "starting"),
        ("FAILED", "stopped"),
        ("CANCELLED", "stopped"),
        ("TIMEOUT", "failed"),
    ],
)
def test_an_interrupted_run_is_as_the_cluster_says(
    run: RunDir, cluster: Cluster, word: str, phase: str
) -> None:
    run.write_summary({"status": "stopped"})
    cluster.listed["1"] = slurm_report(word)
    assert fresh_state(run, cluster)[0] == phase


@pytest.mark.parametrize("status", ["done", "failed", "stopped"])
def test_the_cluster_is_not_asked_about_what_the_folder_says(
    run: RunDir, cluster: Cluster, status: str
) -> None:
    run.write_summary({"status": status})
    if status == "stopped":
        write_json(run.stop_file, {})
    cluster.before_answer = lambda: pytest.fail("asked")
    assert fresh_state(run, cluster)[0] == status


def test_the_folder_is_read_again_after_the_answer_of_the_cluster(
    run: RunDir, cluster: Cluster
) -> None:
    """A run may begin and end between the two looks."""
    cluster.listed["1"] = slurm_report("COMPLETED")
    cluster.before_answer = lambda: run.write_summary({"status": "done"})
    assert fresh_state(run, cluster)[0] == "done"


def refuse() -> None:
    raise PlaceError("Slurm does not answer: try later")


def test_without_an_answer_a_state_is_not_made_up(
    run: RunDir, cluster: Cluster, machine: PlacedMachine, runs: Path
) -> None:
    run.write_summary({"status": "stopped"})
    cluster.before_answer = refuse
    machine._reports.forget()
    text = "Whether it waits or has ended is not known. Slurm does not answer: try later"
    (entry,) = list_runs(runs, machine)
    assert entry.state
    assert (entry.state.phase, entry.state.text) == ("lost", text)
    cluster.before_answer = lambda: None
    (entry,) = list_runs(runs, PlacedMachine(cluster))
    assert entry.state
    assert entry.state.phase == "queued"


def test_a_stop_keeps_how_a_job_has_ended(
    run: RunDir, cluster: Cluster, machine: PlacedMachine
) -> None:
    cluster.listed["1"] = slurm_report("OUT_OF_MEMORY")
    machine._reports.forget()
    with pytest.raises(RunError, match="its end is not recorded: run `cityseg jobs stop`"):
        archive_run(run)
    machine.stop(run, wait=True)
    assert read_json(run.summary_file)["reason"] == "out_of_memory"
    assert not cluster.cancelled
    cluster.listed.clear()  # clusters forget
    found = PlacedMachine(cluster).state(run)
    assert (found.phase, found.reason) == ("failed", "out_of_memory")
    assert "more memory in places.toml" in found.hint
    archive_run(run)


def test_a_stop_cancels_a_job_that_waits(
    run: RunDir, cluster: Cluster, machine: PlacedMachine
) -> None:
    machine.stop(run, wait=True)
    assert cluster.cancelled == ["1"]
    assert read_json(run.summary_file) == {"status": "stopped"}


def test_a_job_that_no_file_names_is_cancelled(
    run: RunDir, cluster: Cluster, machine: PlacedMachine
) -> None:
    run.place_file.unlink()
    run.place_file.mkdir()
    with run.locked() as lock, pytest.raises(RunError, match="cannot be written"):
        machine.submit(run, lock, now=False)
    assert cluster.cancelled == ["2"]


def test_a_cluster_does_not_start_a_run_at_once(
    runs: Path, cluster: Cluster, machine: PlacedMachine
) -> None:
    with pytest.raises(RunError, match="slurm decides when a run begins: start it without now"):
        start(make_config({"data": runs.parent}), runs, now=True, machine=machine)
    assert not cluster.submitted


def test_the_output_of_a_job_is_shown_until_there_is_a_log(
    run: RunDir, machine: PlacedMachine
) -> None:
    assert machine.tail(run, 9)[-1] == "the output of 1"
    write_json(run.supervisor_file, {})
    assert "the output" not in "".join(machine.tail(run, 9))


def test_a_place_is_known_while_its_settings_are_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "places.toml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(settings))
    settings.write_text("[slurm]\n")
    before = machine_at("slurm")
    assert machine_at("slurm") is before
    os.utime(settings, (1, 1))
    assert machine_at("slurm") is not before
    assert machine_at("local") is THIS_MACHINE
    settings.write_text("")
    with pytest.raises(ConfigError, match=r"has no section \[slurm\]: add one"):
        machine_at("slurm")


def test_a_run_whose_place_is_not_configured_any_more_says_so(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "places.toml"
    settings.write_text("")
    monkeypatch.setenv(CONFIG_VARIABLE, str(settings))
    found = state(run)
    assert found.phase == "lost"
    assert f"{settings} has no section [slurm]" in found.detail
    run.place_file.unlink()
    assert machine_of(run) is THIS_MACHINE
