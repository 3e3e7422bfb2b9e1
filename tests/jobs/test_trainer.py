"""What a process that trains reports, and that nothing of it is left behind."""

import logging
import os
from pathlib import Path

import pytest

from cityseg.config import make_config
from cityseg.errors import RunError
from cityseg.jobs import trainer
from cityseg.jobs.queue import DeviceQueue
from cityseg.jobs.trainer import attempting, reporting
from cityseg.runs import JOB_VARIABLE
from cityseg.runs.folder import RunDir
from cityseg.system.files import read_json
from cityseg.system.processes import Process


@pytest.fixture
def run(runs: Path) -> RunDir:
    return RunDir.create(runs, make_config({"device": "cpu"}))


def running(queues: Path) -> list[str]:
    """Ids of the runs that use the CPU."""
    return [place.run_id for place in DeviceQueue(queues / "cpu").places() if place.is_running]


def test_a_run_started_by_hand_is_named_marked_and_in_the_queue(
    run: RunDir, queues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(JOB_VARIABLE, raising=False)
    with reporting(run, run.config(), is_submitted=False):
        assert Process.from_json(read_json(run.trainer_file)) == Process.this()
        token = os.environ[JOB_VARIABLE]
        assert read_json(run.trainer_file)["token"] == token
        assert read_json(run.progress_file)["stage"] == "starting"
        assert running(queues) == [run.id]
    assert read_json(run.trainer_file) == {"token": token}
    assert JOB_VARIABLE not in os.environ
    assert running(queues) == []


@pytest.mark.parametrize(
    ("devices", "variables"),
    [(2, {}), (1, {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2"})],
    ids=["devices", "torchrun"],
)
def test_a_run_started_by_hand_on_two_gpus_is_in_both_queues(
    runs: Path,
    queues: Path,
    monkeypatch: pytest.MonkeyPatch,
    devices: int,
    variables: dict[str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    run = RunDir.create(runs, make_config({"device": "cuda", "devices": devices}))
    with attempting(run, run.config(), is_submitted=False):
        for device in ("gpu-0", "gpu-1"):
            assert [place.run_id for place in DeviceQueue(queues / device).places()] == [run.id]
    assert not list(queues.glob("*/*.running"))


def test_the_threads_of_a_training_sleep_while_they_wait(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # comes back after the test
    del os.environ["OMP_WAIT_POLICY"]
    with reporting(run, run.config(), is_submitted=False):
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_token_from_before_comes_back(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JOB_VARIABLE, "of another job")
    with reporting(run, run.config(), is_submitted=False):
        assert os.environ[JOB_VARIABLE].startswith(run.id)
    assert os.environ[JOB_VARIABLE] == "of another job"


def test_an_error_leaves_no_place_in_the_queue(run: RunDir, queues: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ZeroDivisionError), reporting(run, run.config(), is_submitted=False):
        raise ZeroDivisionError
    assert running(queues) == []
    assert os.listdir("/proc/self/fd") == before


def test_stages_are_reported_at_once_and_progress_now_and_then(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reporting(run, run.config(), is_submitted=False) as reporter:
        reporter.report("decoding frames", 1, 10)
        assert read_json(run.progress_file) == {"stage": "decoding frames", "done": 1, "total": 10}
        reporter.report("decoding frames", 2, 10)
        assert read_json(run.progress_file)["done"] == 1
        monkeypatch.setattr(trainer, "_PROGRESS_SECONDS", 0)
        reporter.report("decoding frames", 3, 10)
        assert read_json(run.progress_file)["done"] == 3
        reporter.report("training")
        assert read_json(run.progress_file)["stage"] == "training"


def test_a_ticket_that_was_removed_is_put_back_while_it_is_kept_fresh(
    run: RunDir, queues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_FRESH_SECONDS", 0)
    with reporting(run, run.config(), is_submitted=False) as reporter:
        for ticket in (queues / "cpu").glob("*.running"):
            ticket.unlink()
        assert running(queues) == []
        reporter.report("training")
        assert running(queues) == [run.id]


def test_without_a_queue_a_run_is_trained_with_a_warning(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "file"))
    with (
        caplog.at_level(logging.WARNING),
        reporting(run, run.config(), is_submitted=False) as reporter,
    ):
        reporter.report("training")
        assert read_json(run.progress_file)["stage"] == "training"
    assert "Runs in the queue do not wait for this one" in caplog.text


def test_a_disk_without_space_ends_nothing(run: RunDir) -> None:
    run.begin_attempt()
    with reporting(run, run.config(), is_submitted=True) as reporter:
        run.progress_file.unlink()
        run.progress_file.mkdir()  # so that it cannot be replaced
        reporter.report("training")
        assert run.progress_file.is_dir()


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError),
        reporting(RunDir(tmp_path / "none"), make_config({}), is_submitted=False),
    ):
        pass
