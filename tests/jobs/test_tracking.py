"""Tracking as the supervisor, the command line and the app use it, with real processes."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import forks
import pytest
from job_runs import finish, kill, machine, reaches, start_stand_in, supervisor_of, trainer_of
from tiny_runs import make_city, tiny_config
from trainers import start_trainer
from waiting import PATIENCE_SECONDS, until
from wandb_world import (
    KEY,
    FakeServer,
    Follower,
    losses,
    make_run,
    read_parts,
    recorded,
    rows_given_to,
    steps_given_to,
    until_finished,
    until_recorded,
    words_of,
    write_train_row,
)

from cityseg import jobs
from cityseg.errors import RunError
from cityseg.jobs.tracking import (
    TrackingState,
    await_follower,
    find_tracked,
    is_followed,
    start_follower,
    track,
    tracking_outcome,
    upload_command,
)
from cityseg.runs import RunDir
from cityseg.system import descendants, pids_with_variable

pytestmark = pytest.mark.usefixtures("no_account")


# What is recorded


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"{}", b'{"folder": 3}'])
def test_a_run_without_a_valid_record_is_not_tracked(tmp_path: Path, content: bytes | None) -> None:
    run = make_run(tmp_path)
    run.tracking.mkdir()
    if content:
        run.tracking_file.write_bytes(content)
    assert find_tracked(run) is None
    assert tracking_outcome(run) == (
        f"{run.path} is not tracked by Weights & Biases: see {run.log_file}"
    )


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_what_version_0_1_0_recorded_is_found(tmp_path: Path, mode: str) -> None:
    run = make_run(tmp_path)
    prefix = "offline-" if mode == "offline" else ""
    folder = run.tracking / f"{prefix}run-20260101_120000-{run.id}"
    folder.mkdir(parents=True)
    url = "https://wandb.example/1" if mode == "online" else None
    run.tracking_file.write_text(json.dumps({"url": url, "folder": str(folder)}))
    upload = f"wandb sync {folder}" if mode == "offline" else None
    assert find_tracked(run) == (url, upload)


def test_parts_that_are_uploaded_or_gone_need_no_command(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    folders = [run.tracking / f"offline-run-2026010{day}_120000-{run.id}" for day in range(3)]
    for folder in folders[:2]:
        folder.mkdir(parents=True)
    waiting = [str(folder) for folder in folders]
    state = TrackingState(id=run.id, folder=waiting[-1], waiting=waiting)
    state.save(run)
    (folders[0] / f"run-{run.id}.wandb.synced").touch()
    assert find_tracked(run) == (None, f"wandb sync {folders[1]}")
    (folders[1] / f"run-{run.id}.wandb.synced").touch()
    assert find_tracked(run) == (None, None)


def test_the_command_names_folders_as_a_shell_needs_them() -> None:
    assert upload_command(["/a b/offline-run-1"]) == "wandb sync '/a b/offline-run-1'"
    assert upload_command(["/r/offline-run-1", "/r/run-2"]) == (
        "wandb sync --include-online /r/offline-run-1 /r/run-2"
    )


# Off, or not installed


def test_off_starts_and_writes_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, wandb="off")
    before = sorted(run.path.rglob("*"))
    assert start_follower(run) is None
    assert sorted(run.path.rglob("*")) == before


def test_without_wandb_there_is_a_warning_and_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert start_follower(run) is None
    text = "The package wandb is not installed: run `pip install 'cityseg[tracking]'`"
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (logging.WARNING, f"Weights & Biases tracks nothing: {text}")
    ]
    assert not run.tracking.exists()
    with pytest.raises(RunError, match=re.escape(text)):
        track(run, "online", follow=False)


def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(tmp_path)
    run.tracking.write_text("a file where the folder should be")
    assert start_follower(run) is None
    (record,) = caplog.records
    assert record.getMessage().startswith("Weights & Biases tracks nothing: ")
    with pytest.raises(RunError, match=r"cannot be tracked .*: check its permissions"):
        track(run, "offline", follow=False)


# Jobs


def test_a_job_is_tracked_from_its_start_to_its_end(runs: Path) -> None:
    run = start_stand_in(runs, wandb="offline")
    until_recorded(run, 10)
    finish(run)
    reaches(run, "done")
    until_finished(run)
    (part,) = read_parts(run)
    assert losses([part]) == [(10, 1.0)]
    assert part["exit_code"] == 0
    (line,) = run.log_file.read_text().splitlines()
    command = re.escape(upload_command([recorded(run).folder]))
    assert re.fullmatch(rf"20.* INFO .* is tracked offline: upload .* with `{command}`", line)


def test_a_killed_trainer_leaves_a_tracked_run_that_failed(runs: Path, stand_in: Path) -> None:
    run = start_stand_in(runs, wandb="offline")
    until_recorded(run, 10)
    kill(trainer_of(run))
    reaches(run, "failed")
    until_finished(run)
    assert (steps_given_to(stand_in), words_of(stand_in, "exit_codes")) == ([10], ["1"])


def test_a_job_that_loses_all_its_processes_is_tracked_to_that_end(
    runs: Path, stand_in: Path
) -> None:
    run = start_stand_in(runs, wandb="offline")
    until_recorded(run, 10)
    kill(supervisor_of(run))
    kill(trainer_of(run))
    reaches(run, "lost")
    until_finished(run)
    assert (steps_given_to(stand_in), words_of(stand_in, "exit_codes")) == ([10], ["1"])


def test_the_follower_belongs_to_no_job(runs: Path, stand_in: Path) -> None:
    run = start_stand_in(runs, wandb="offline")
    until_recorded(run, 10)
    trainer = trainer_of(run)
    token = json.loads(run.trainer_file.read_text())["token"]
    members = pids_with_variable("CITYSEG_JOB", token)
    assert trainer.pid in members
    everyone = members | descendants({supervisor_of(run).pid, trainer.pid})
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in everyone]
    assert not [each for each in commands if b"wandb_follower" in each]
    finish(run)
    until_finished(run)


def test_a_job_that_is_stopped_by_force_is_tracked_to_its_end(runs: Path, stand_in: Path) -> None:
    run = start_stand_in(runs, "stubborn", wandb="offline")
    until_recorded(run, 10)
    jobs.stop(run, machine=machine(ask=0.2, terminate=0.2))
    assert jobs.state(run).phase == "stopped"
    until_finished(run)
    assert (steps_given_to(stand_in), words_of(stand_in, "exit_codes")) == ([10], ["0"])


def test_a_resumed_job_continues_the_tracked_run(runs: Path, stand_in: Path) -> None:
    run = start_stand_in(runs, wandb="offline")
    until_recorded(run, 10)
    kill(trainer_of(run))
    reaches(run, "failed")
    until_finished(run)
    write_train_row(run, 20)
    jobs.resume(run, machine=machine())  # the stand-in writes its row at step 10 once more
    until_recorded(run, 20)
    finish(run)
    until_finished(run)
    assert words_of(stand_in, "ids") == [run.id] * 2
    assert steps_given_to(stand_in) == [10, 20]


def test_a_job_without_tracking_starts_no_follower(runs: Path) -> None:
    run = start_stand_in(runs, "done", wandb="off")
    reaches(run, "done")
    assert not run.tracking.exists()
    assert run.log_file.read_text() == ""


# In the foreground


def train_in_the_foreground(folder: Path) -> tuple[RunDir, list[str]]:
    """Train a run of an epoch; the run, and the lines that the training has shown."""
    config = tiny_config(make_city(folder / "city"), epochs=1, wandb="online")
    run = RunDir.create(folder / "runs", config)
    process = start_trainer(run)
    assert process.wait() == 0
    return run, process.errors.read_text().splitlines()


def test_a_training_in_the_foreground_is_tracked(tmp_path: Path, server: str) -> None:
    run, shown = train_in_the_foreground(tmp_path)
    until_finished(run)
    rows = [row for row in run.metrics() if row["kind"] == "train"]
    assert len(FakeServer.history) == len(rows) + 2, "an epoch and its predictions"
    assert FakeServer.exit_codes == [0]
    page = f"{run.path} is tracked by Weights & Biases: {server}/someone/cityseg/runs/{run.id}"
    background = f"Weights & Biases continues in the background: see {run.log_file}"
    assert shown[-1] in (page, background)
    log = run.log_file.read_text()
    assert log.splitlines()[-1].endswith(f"INFO {page}"), log
    assert KEY not in run.log_file.read_text()


def test_the_prompt_does_not_wait_for_a_wandb_that_hangs(tmp_path: Path, stand_in: Path) -> None:
    (stand_in / "hang").touch()
    run, shown = train_in_the_foreground(tmp_path)
    assert shown[-1] == (f"Weights & Biases continues in the background: see {run.log_file}")
    assert is_followed(run)
    (stand_in / "hang").unlink()
    until_finished(run)
    given = [row for row in rows_given_to(stand_in) if "train_loss" in row]
    assert len(given) == len(run.metrics())


def test_a_killed_training_in_the_foreground_loses_no_row(tmp_path: Path, stand_in: Path) -> None:
    config = tiny_config(make_city(tmp_path / "city"), epochs=10_000, wandb="offline")
    run = RunDir.create(tmp_path / "runs", config)
    trainer = start_trainer(run)
    until(lambda: len(run.metrics()) > 4 and TrackingState.load(run), 120)
    trainer.kill()
    until_finished(run)
    given = [row for row in rows_given_to(stand_in) if "train_loss" in row]
    assert len(given) == len(run.metrics())
    assert words_of(stand_in, "exit_codes") == ["1"]


def test_an_interrupt_ends_the_wait_for_the_follower(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with run.locked():
        started = start_follower(run)
        assert started
        assert KEY not in str(started.args)
        with monkeypatch.context() as patch:
            patch.setattr("cityseg.jobs.tracking.time.sleep", interrupt)
            text = await_follower(run, started)
        started.wait(PATIENCE_SECONDS)
    assert text == f"Weights & Biases continues in the background: see {run.log_file}"
    until_finished(run)


def test_a_follower_in_the_background_waits_for_the_one_before(
    tmp_path: Path, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    with run.locked():
        first = Follower(run, "--follow")
        write_train_row(run, 10)
        until_recorded(run, 10)
        second = start_follower(run)
        assert second
        assert second.wait(PATIENCE_SECONDS) == 0, "nobody has to wait for it"
        first.process.terminate()
        assert first.ended()[0] == 0
        write_train_row(run, 20)
        until_recorded(run, 20)
    until_finished(run)
    assert steps_given_to(stand_in) == [10, 20]


# The trainer


def modules_after(script: str, *arguments: object) -> list[str]:
    """All that is loaded in a process that has imported torch before it runs `script`."""
    forget = (
        "import sys\n"
        "for name in [each for each in sys.modules if each.startswith('cityseg')]:\n"
        "    del sys.modules[name]\n"
    )
    process = forks.fork(
        forks.TRAINING, f"{forget}{script}\nprint(*sys.modules, sep='\\n')", *arguments
    )
    assert process.wait() == 0, process.errors.read_text()
    return process.output.read_text().splitlines()


def test_training_imports_neither_jobs_nor_wandb() -> None:
    loaded = modules_after(
        "import importlib, pkgutil, cityseg.training as room\n"
        "for each in pkgutil.iter_modules(room.__path__):\n"
        "    importlib.import_module(f'cityseg.training.{each.name}')\n"
    )
    assert "cityseg.training.loop" in loaded
    assert [name for name in loaded if name.startswith(("wandb", "cityseg.jobs"))] == []


def test_a_trainer_that_is_tracked_imports_no_wandb(tmp_path: Path, stand_in: Path) -> None:
    config = tiny_config(make_city(tmp_path / "city"), epochs=1, wandb="offline")
    run = RunDir.create(tmp_path / "runs", config)
    script = "from cityseg.train import main; assert main(['--run', sys.argv[1]]) == 0"
    loaded = modules_after(script, run.path)
    assert "torch" in loaded
    assert [name for name in loaded if name.startswith("wandb")] == []
    until_finished(run)


def test_the_supervisor_loads_neither_wandb_nor_torch() -> None:
    script = "import sys, cityseg.jobs.supervise; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert "cityseg.jobs.tracking" in loaded
    assert [name for name in loaded if name.startswith(("wandb", "torch"))] == []
