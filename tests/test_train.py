"""The process of a training run: killed, stopped, starved of memory and disk, started twice.

Also tests: jobs/stop_requests.
"""

import fcntl
import json
import logging
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import forks
import psutil
import pytest
from child import REPOSITORY
from forks import Fork
from tiny_runs import (
    content_of,
    epoch_rows,
    files_limited_to,
    make_run,
    state_of,
    timeless,
    tiny_config,
    weights_of,
)
from trainers import limited, start_trainer
from waiting import PATIENCE_SECONDS, until

from cityseg import train
from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME, DatasetError
from cityseg.jobs import state, stop
from cityseg.jobs.queue import QUEUE_VARIABLE
from cityseg.runs.folder import LOCK_VARIABLE, RunDir
from cityseg.training import loop as training

#: Four epochs of a quarter of a second each, so that there is time to kill one of them.
SETTINGS = {
    "epochs": 4,
    "width": 4,
    "size": (128, 256),
    "crop": (128, 224),
    "flip": True,
    "scale_min": 0.8,
    "scale_max": 1.4,
    "jitter": 0.3,
    "schedule": "cosine",
    "optimizer": "adam",
}


@pytest.fixture(scope="module")
def whole(data: Path) -> RunDir:
    """A run of four epochs that nothing interrupted."""
    run = make_run(data, **SETTINGS)
    training.train(run)
    return run


def start(run: RunDir) -> Fork:
    """The process that trains `run`; its output goes to a file beside the run's folder."""
    return start_trainer(run, output_file(run))


def output_file(run: RunDir) -> Path:
    return run.path.with_suffix(".txt")


def summary(run: RunDir) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.summary_file.read_bytes())
    return found


def until_alive(condition: Callable[[], Any], process: Fork | subprocess.Popen[bytes]) -> None:
    """Wait for `condition` while `process` is alive."""

    def holds() -> bool:
        if condition():
            return True
        assert process.poll() is None, "the process ended before the condition came true"
        return False

    until(holds)


def exit_status(process: subprocess.Popen[bytes]) -> int:
    """That of a process that is about to end; if it does not, it is killed and its place named."""
    try:
        return process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        places = "".join(
            f"{(thread / 'comm').read_text().strip()} waits in {(thread / 'wchan').read_text()}\n"
            for thread in Path(f"/proc/{process.pid}/task").iterdir()
        )
        process.kill()
        process.wait()
        raise AssertionError(f"The process did not end; its threads:\n{places}") from None


def resume(run: RunDir) -> int:
    """What the command does, in this process; returns its exit status."""
    return train.main(["--run", str(run.path)])


def assert_same_end(run: RunDir, whole: RunDir) -> None:
    assert timeless(epoch_rows(run)) == timeless(epoch_rows(whole))
    assert weights_of(run.best) == weights_of(whole.best)
    assert state_of(run) == state_of(whole)


@contextmanager
def held_at_the_store(run: RunDir) -> Iterator[Fork]:
    """The process that trains `run`, while it waits for a store that another process builds."""
    store = run.config().store
    assert store
    store.mkdir()
    with (store / "build.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(run)
        # Cut to its size just before the store is opened.
        until_alive(run.metrics_file.exists, process)
        yield process


# Killed and resumed


@pytest.mark.slow
def test_two_epochs_a_kill_and_a_resume_equal_four_epochs_bit_for_bit(
    data: Path, whole: RunDir
) -> None:
    run = make_run(data, **SETTINGS)
    process = start(run)
    until_alive(lambda: len(epoch_rows(run)) >= 2 and run.previous.exists(), process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not run.summary_file.exists()
    assert start(run).wait() == EXIT_ALL
    assert_same_end(run, whole)
    assert timeless(run.metrics()) == timeless(whole.metrics())
    assert summary(run)["status"] == "done"


def test_a_kill_within_an_epoch_costs_no_bit(data: Path, whole: RunDir) -> None:
    run = make_run(data, **SETTINGS, checkpoint_minutes=0.0001)
    process = start(run)
    until_alive(lambda: run.metrics()[-1:] and run.metrics()[-1]["epoch"] >= 3, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert resume(run) == EXIT_ALL
    assert re.search("Resumed in epoch [34] after step", run.log_file.read_text())
    assert_same_end(run, whole)


def test_sigterm_ends_a_run_as_stopped_and_costs_no_bit(data: Path, whole: RunDir) -> None:
    run = make_run(data, **SETTINGS)
    process = start(run)
    until_alive(lambda: epoch_rows(run), process)
    process.terminate()
    assert process.wait() == EXIT_SOME
    assert summary(run)["status"] == "stopped"
    assert 1 <= summary(run)["epochs"] < 4
    assert resume(run) == EXIT_ALL
    assert_same_end(run, whole)


def test_a_run_whose_folder_is_renamed_trains_on_in_it(data: Path, whole: RunDir) -> None:
    run = make_run(data, **SETTINGS, checkpoint_minutes=0.0001)
    process = start(run)
    until_alive(lambda: epoch_rows(run), process)
    renamed = RunDir(run.path.rename(run.path.with_name("My best run")))
    assert process.wait() == EXIT_ALL
    assert not run.path.exists()
    assert summary(renamed)["status"] == "done"
    assert_same_end(renamed, whole)


# Stopped at other moments


def test_a_terminal_that_closes_stops_a_run_and_saves_its_state(data: Path) -> None:
    run = make_run(data, epochs=10_000)
    terminal, of_process = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cityseg", "train", "--resume", str(run.path)],
        stdin=of_process,
        stdout=of_process,
        stderr=of_process,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(of_process)
    until_alive(lambda: epoch_rows(run), process)
    os.close(terminal)
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGHUP)  # shells send one to their children as well
    assert exit_status(process) == EXIT_SOME
    assert summary(run)["status"] == "stopped"
    assert state_of(run)["position"]["total_steps"] == summary(run)["steps"]


def test_an_interrupt_during_the_import_of_torch_stops_the_run(data: Path) -> None:
    run = make_run(data, epochs=10_000)
    command = [sys.executable, "-m", "cityseg.train", "--run", str(run.path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        until_alive(run.log_file.exists, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == EXIT_SOME
    assert summary(run)["status"] == "stopped"
    assert summary(run)["steps"] <= 1


def test_a_run_stops_while_it_waits_for_the_store_of_another_process(
    data: Path, tmp_path: Path
) -> None:
    run = make_run(data, store=tmp_path / "store")
    with held_at_the_store(run) as process:
        process.terminate()
        assert process.wait() == EXIT_SOME
    assert summary(run)["status"] == "stopped"
    assert not run.last.exists()


def test_a_second_signal_of_any_kind_ends_the_process_at_once(data: Path) -> None:
    run = make_run(data)
    # It never looks for a stop.
    hang = (
        "import time, cityseg.training\n"
        "cityseg.training.train = lambda *_, **settings: time.sleep(600)\n"
    )
    process = start_trainer(run, output_file(run), hang)
    until_alive(run.log_file.exists, process)
    process.terminate()
    until_alive(lambda: not catches(process, signal.SIGTERM), process)
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT
    assert not run.summary_file.exists()


def catches(process: Fork, number: signal.Signals) -> bool:
    """Whether the process handles the signal: the first one to arrive removes the handlers."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> number - 1 & 1)


# Starved


def test_too_little_memory_ends_a_run_with_a_hint(data: Path, tmp_path: Path) -> None:
    # The sampling grid of ten frames of this size alone takes 1.3 GB.
    run = make_run(data, batch_size=16, crop=(4096, 4096), scale_max=2, store=tmp_path / "store")
    with held_at_the_store(run) as process:
        limit = psutil.Process(process.pid).memory_info().vms + 1_000_000_000
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
    assert process.wait() == EXIT_NOTHING
    assert (summary(run)["status"], summary(run)["reason"]) == ("failed", "out_of_memory")
    assert "smaller batch_size" in summary(run)["hint"]


def test_a_full_disk_ends_a_run_with_a_hint_and_costs_no_bit(data: Path, whole: RunDir) -> None:
    run = make_run(data, **SETTINGS)
    training.train(run, should_stop=lambda: len(epoch_rows(run)) == 2)
    before = content_of(run.checkpoints)
    process = start_trainer(run, output_file(run), limited("RLIMIT_FSIZE", 20_000))
    assert process.wait() == EXIT_NOTHING
    assert (summary(run)["status"], summary(run)["reason"]) == ("failed", "disk_full")
    assert "free some space and resume" in summary(run)["hint"]
    assert content_of(run.checkpoints) == before
    errors = [line for line in output_file(run).read_text().splitlines() if "written" in line]
    assert errors == [f"cityseg: {summary(run)['detail']}; {summary(run)['hint']}"]
    assert resume(run) == EXIT_ALL
    assert_same_end(run, whole)


def test_a_disk_without_any_space_ends_a_run_with_one_sentence(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(data)
    training.train(run, should_stop=lambda: bool(epoch_rows(run)))
    before = content_of(run.checkpoints)
    with files_limited_to(1):
        assert resume(run) == EXIT_NOTHING
    assert re.fullmatch(r"cityseg: A file could not be written: .*\n", capsys.readouterr().err)
    assert content_of(run.checkpoints) == before
    assert not run.summary_file.exists()


# Started twice, or for a folder that is no run


def test_a_second_process_for_a_run_is_refused_and_changes_nothing(whole: RunDir) -> None:
    with whole.locked():
        before = content_of(whole.path)
        assert start(whole).wait() == EXIT_NOTHING
        assert content_of(whole.path) == before
    assert output_file(whole).read_text() == (
        f"cityseg: {whole.path} is being trained by another process: stop that one first\n"
    )


def test_a_folder_that_is_no_run_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume(RunDir(tmp_path / "none")) == EXIT_NOTHING
    assert capsys.readouterr().err.startswith(f"cityseg: {tmp_path / 'none'} is no run: ")
    assert not (tmp_path / "none").exists()


def test_a_run_that_is_done_stays_as_it_is(whole: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    whole.write_summary({"status": "done", "epochs": 4})
    before = content_of(whole.path)
    with caplog.at_level(logging.INFO):
        assert resume(whole) == EXIT_ALL
    assert f"{whole.path} is done after 4 epochs, and stays as it is" in caplog.text
    assert content_of(whole.path) == before


def test_a_run_with_results_but_no_state_is_left_as_it_is(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(data, epochs=2)
    training.train(run)
    run.write_summary({"status": "stopped"})
    run.last.unlink()
    run.previous.unlink()
    before = content_of(run.path)
    assert resume(run) == EXIT_NOTHING
    assert f"{run.path} cannot be continued, and was left as it is" in capsys.readouterr().err
    assert content_of(run.path) == before


# Resumed elsewhere, or with more epochs


def test_a_run_whose_dataset_has_moved_costs_no_bit(
    data: Path, whole: RunDir, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = tmp_path / "first"
    shutil.copytree(data, first)
    run = RunDir.create(tmp_path / "runs", tiny_config(first, **SETTINGS))
    training.train(run, should_stop=lambda: len(epoch_rows(run)) == 2)
    run.write_summary({"status": "stopped"})
    moved = first.rename(tmp_path / "moved")
    before = content_of(run.path)
    with pytest.raises(DatasetError, match="There is no folder"):
        train.train_run(run)
    assert content_of(run.path) == before
    assert train.train_run(run, {"data": str(moved)})["status"] == "done"
    assert run.config().data == moved
    assert f"Resumed with data {moved} instead of {first}" in run.log_file.read_text()
    assert_same_end(run, whole)


def test_more_epochs_at_a_constant_rate_cost_no_bit(data: Path) -> None:
    settings = SETTINGS | {"schedule": "constant"}
    longer, run = make_run(data, **settings), make_run(data, **settings | {"epochs": 2})
    training.train(longer)
    assert train.train_run(run)["epochs"] == 2
    assert train.train_run(run, {"epochs": "4"})["epochs"] == 4
    assert_same_end(run, longer)


# Within a program that continues


def in_thread(run: RunDir) -> "Future[dict[str, Any]]":
    """The summary of `run`, trained in a thread that is not the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(train.train_run, run)


def test_a_run_can_be_trained_in_any_thread(data: Path, whole: RunDir) -> None:
    run = make_run(data, **SETTINGS)
    before = signal.getsignal(signal.SIGTERM)
    assert in_thread(run).result()["status"] == "done"
    assert signal.getsignal(signal.SIGTERM) == before
    assert_same_end(run, whole)


def test_a_run_in_another_thread_is_stopped_by_its_own_process(data: Path) -> None:
    run = make_run(data, epochs=10_000)
    pool = ThreadPoolExecutor(1)
    training_run = pool.submit(train.train_run, run)
    until(lambda: epoch_rows(run))
    assert state(run).phase == "running"
    stop(run)
    assert training_run.result()["status"] == "stopped"
    assert state(run).phase == "stopped"
    assert run.last.exists()
    pool.shutdown()


def test_stopping_a_run_that_has_ended_spares_the_process_that_trained_it(data: Path) -> None:
    script = """if True:
        import os, subprocess, sys
        from pathlib import Path
        from cityseg.jobs import stop
        from cityseg.jobs.queue import DeviceQueue
        from cityseg.runs.folder import LOCK_VARIABLE, RunDir
        from cityseg.train import train_run
        run = RunDir(Path(sys.argv[1]))
        assert train_run(run)["status"] == "done"
        assert "CITYSEG_JOB" not in os.environ
        assert not DeviceQueue.of("cpu").places()
        later = subprocess.Popen(["sleep", "600"])
        stop(run)
        assert later.poll() is None
        later.kill()
        print("alive")
    """
    run = make_run(data, epochs=1)
    assert forks.fork(forks.TRAINING, script, run.path, output=output_file(run)).wait() == 0
    assert output_file(run).read_text().endswith("alive\n")


# Modules that it imports


@pytest.fixture(scope="module")
def loaded(data: Path) -> set[str]:
    """The packages that a process has imported after a complete run."""
    run = make_run(data, epochs=1)
    script = (
        "import sys; from cityseg.train import main; assert main(['--run', sys.argv[1]]) == 0;"
        "print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    )
    assert forks.fork(forks.TRAINING, script, run.path, output=output_file(run)).wait() == 0
    line = next(t for t in output_file(run).read_text().splitlines() if t.startswith("loaded "))
    return set(line.split()) & {"torch", "wandb", "streamlit", "plotly"}


def test_training_without_tracking_imports_no_wandb(loaded: set[str]) -> None:
    assert "wandb" not in loaded


def test_training_loads_nothing_of_the_app(loaded: set[str]) -> None:
    assert loaded == {"torch"}


# Files that it leaves in the run's folder


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def train_run(*arguments: Any, **settings: Any) -> None:
        raise error

    monkeypatch.setattr("cityseg.training.train", train_run)


@pytest.mark.parametrize("is_job", [False, True])
def test_a_training_in_the_foreground_starts_the_notifier_itself(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_job: bool
) -> None:
    # A job's place in the queue ends with its process, which here is that of all tests.
    monkeypatch.setenv(QUEUE_VARIABLE, str(tmp_path))
    run = make_run(data)
    started: list[RunDir] = []
    monkeypatch.setattr("cityseg.train.start_notifier", started.append)
    failing(monkeypatch, ZeroDivisionError("by zero"))
    with ExitStack() as held:
        if is_job:  # its supervisor has locked the run, and started the notifier
            lock = held.enter_context(run.locked())
            monkeypatch.setenv(LOCK_VARIABLE, str(os.dup(lock.descriptor)))
        with pytest.raises(ZeroDivisionError):
            train.train_run(run)
    assert [each.path for each in started] == ([] if is_job else [run.path])


def test_an_error_of_cityseg_is_one_sentence_everywhere(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(data)
    failing(monkeypatch, DatasetError("there is no folder /x: name another"))
    assert resume(run) == EXIT_NOTHING
    assert capsys.readouterr().err == "cityseg: there is no folder /x: name another\n"
    assert run.log_file.read_text().endswith(" ERROR there is no folder /x: name another\n")
    assert run.log_file.read_text().count("\n") == 1
    assert summary(run)["status"] == "failed"
    assert (summary(run)["reason"], summary(run)["detail"]) == (
        "bad_input",
        "there is no folder /x: name another",
    )


def test_an_unexpected_error_leaves_its_traceback_in_the_log(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(data)
    failing(monkeypatch, ZeroDivisionError("by zero"))
    with pytest.raises(ZeroDivisionError):
        resume(run)
    assert "Traceback (most recent call last)" in run.log_file.read_text()
    assert summary(run) == {
        "status": "failed",
        "reason": "error",
        "detail": "ZeroDivisionError: by zero",
        "hint": "see run.log",
    }


def test_a_resumed_run_continues_its_log(data: Path) -> None:
    run = make_run(data)
    training.train(run, should_stop=lambda: bool(epoch_rows(run)))
    run.log_file.write_text("before\n")
    run.summary_file.write_text('{"status": "stopped"}')
    assert resume(run) == EXIT_ALL
    lines = run.log_file.read_text().splitlines()
    assert lines[0] == "before"
    assert "Resumed in epoch 2" in run.log_file.read_text()
    assert lines[-1].endswith(f"INFO {run.id}: done")
    assert summary(run)["status"] == "done"


def test_unfinished_files_of_a_killed_process_are_removed(data: Path) -> None:
    run = make_run(data, epochs=1)
    (run.checkpoints / ".next.pt.123-0a1b2c3d.part").write_bytes(b"half")
    assert resume(run) == EXIT_ALL
    assert sorted(os.listdir(run.checkpoints)) == ["best.safetensors", "last.pt", "previous.pt"]


def test_a_run_restores_signal_handlers_and_logging(data: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    resume(make_run(data, epochs=1))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert not logging.getLogger("cityseg").handlers
