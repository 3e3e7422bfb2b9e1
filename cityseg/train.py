"""The process of a training run: `python -m cityseg.train --run RUNS/ID`.

It locks the run, or takes over the lock that its parent handed on, then logs to run.log, trains or
resumes, and writes summary.json however it ends. SIGTERM, SIGINT and SIGHUP save the state after
the next step and end the run as "stopped"; a second SIGTERM or SIGINT ends the process at once.

torchrun starts several such processes for a run, also on several machines that share its folder.
The first of them does all of that, and the others only train.
"""

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tqdm import tqdm

from cityseg.config import RESUME_SETTINGS, TrainConfig
from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME, CitysegError, RunError, TrainingError
from cityseg.jobs import LOG_FORMAT, await_follower, start_follower, start_notifier
from cityseg.jobs.ranks import train_in_processes
from cityseg.jobs.stop_requests import stop_requests
from cityseg.jobs.trainer import ProgressReporter, attempting, prepare_for_torch, reporting
from cityseg.jobs.usage import recording_usage
from cityseg.runs import (
    LOCK_VARIABLE,
    MetricRow,
    RunDir,
    check_state,
    following,
    survive_rename,
)
from cityseg.system import (
    RANK_LOST,
    Rank,
    device_key,
    end_with_parent,
    has_launcher,
    is_started_by_torchrun,
)

logger = logging.getLogger("cityseg")


def train_run(run: RunDir, changes: Mapping[str, Any] = MappingProxyType({})) -> MetricRow:
    """Train `run` in this process, with progress on the terminal, and return its summary.

    For several devices it starts a process for each, and waits for them.

    `changes` are values of some of `config.RESUME_SETTINGS`. A run that is done and gets no more
    epochs is left as it is. In the main thread, SIGTERM, SIGINT and SIGHUP stop the run and save
    its state. Python handles signals nowhere else: in another thread, `cityseg.jobs.stop` called in
    this process stops the run, and a signal ends the process.

    Raises RunError if another process trains the run, CheckpointError if it has results but no
    state, and for a run that was trained before whatever can be found to end it before a step: all
    of these without changing a file. Raises whatever else ends the training early, after the reason
    has been written to summary.json.
    """
    from cityseg.runs.resuming import check_resume, resumed_config, why_done  # image libraries

    is_submitted = LOCK_VARIABLE in os.environ  # and was checked before
    if not is_submitted and not why_done(run, changes):
        check_state(run)
        if run.has_begun():
            check_resume(run, resumed_config(run, changes))
    with ExitStack() as afterwards, run.locked() as lock:
        if reason := why_done(run, changes):
            logger.info("%s", reason)
            return run.done_summary() or {}
        before, config = run.config(), resumed_config(run, changes)
        run = afterwards.enter_context(following(run))
        with stop_requests(run) as should_stop, _logging_to(run.log_file):
            for name in RESUME_SETTINGS:
                if (now := getattr(config, name)) != (old := getattr(before, name)):
                    logger.info("Resumed with %s %s instead of %s", name, now, old)
            # A job's supervisor has started both. They end when the lock is free.
            if not lock.is_inherited:
                start_notifier(run)
                if follower := start_follower(run):
                    afterwards.callback(_report_tracking, run, follower)
            with _failure_written(run):
                summary = _train(run, config, should_stop, is_submitted=lock.is_inherited)
            logger.info("%s: %s", run.id, summary["status"])
            return summary


def _train(
    run: RunDir, config: TrainConfig, should_stop: Callable[[], bool], *, is_submitted: bool
) -> MetricRow:
    run.remove_leftovers()
    if config.devices > 1 and not is_started_by_torchrun():
        with attempting(run, config, is_submitted=is_submitted) as reporter:
            return train_in_processes(run, config, should_stop, reporter.keep_fresh)
    with reporting(run, config, is_submitted=is_submitted) as reporter:
        return _train_here(run, should_stop, reporter)


def _train_here(
    run: RunDir, should_stop: Callable[[], bool], reporter: ProgressReporter
) -> MetricRow:
    with _ProgressView(reporter) as view:
        # Importing torch takes seconds. By now the lock is held, and a stop is not lost.
        from cityseg.training import train

        summary = train(run, should_stop=should_stop, on_row=view.row, on_store=view.store)
        survive_rename(run, lambda: run.write_summary(summary))
    return summary


def _train_for_launcher(run: RunDir) -> None:
    """Train as the first of the processes that `train_run` has started for a run."""
    prepare_for_torch()
    with (
        following(run) as run,
        stop_requests(run, watches_folder=True) as should_stop,
        _logging_to(run.log_file),
        _failure_written(run),
        recording_usage(run, device_key(run.config().device)),
    ):
        _train_here(run, should_stop, ProgressReporter(run, None))


def _train_beside_first(run: RunDir) -> None:
    """Train as another of the processes; the first one writes the folder, and reports."""
    from cityseg.runs.resuming import why_done

    if why_done(run, {}):
        return
    prepare_for_torch()
    logger.setLevel(logging.ERROR)
    with stop_requests(run) as should_stop:
        from cityseg.training import train

        train(run, should_stop=should_stop)


@contextmanager
def _failure_written(run: RunDir) -> Iterator[None]:
    """Write the reason of an error that ends the block to summary.json."""
    try:
        yield
    except BaseException as error:
        with suppress(RunError):  # a broken disk must not hide what ended the run
            run.write_summary(_failure(error))
        raise


def _report_tracking(run: RunDir, follower: "subprocess.Popen[bytes]") -> None:
    logger.info("%s", await_follower(run, follower))


def _failure(error: BaseException) -> MetricRow:
    if isinstance(error, TrainingError):
        reason, detail, hint = error.reason, error.detail, error.hint
    elif isinstance(error, CitysegError):
        reason, detail, hint = "bad_input", str(error), "remove the cause and resume the run"
    else:
        reason, detail, hint = "error", f"{type(error).__name__}: {error}", "see run.log"
    return {"status": "failed", "reason": reason, "detail": detail, "hint": hint}


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Append what the package logs to `path`, and the error that ends the block.

    In a job, standard error is that file already, and nothing is added.
    """
    logger.setLevel(logging.INFO)
    if _is_stderr(path):
        yield
        return
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logger.addHandler(handler)
    try:
        yield
    except BaseException as error:  # the caller prints it on the terminal
        trace = None if isinstance(error, CitysegError) else sys.exc_info()
        handler.handle(logger.makeRecord("", logging.ERROR, "", 0, "%s", (error,), trace))
        raise
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


def _is_stderr(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(2), path.stat())
    except OSError:
        return False


class _LogFile(logging.FileHandler):
    """A log file that loses lines on a full disk, but raises and prints nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing."""


class _ProgressView:
    """Shows steps as a bar and epochs as lines on the terminal, and reports the run's stage."""

    def __init__(self, reporter: ProgressReporter) -> None:
        self.reporter = reporter
        self.bar: tqdm[Any] | None = None
        self.shown: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def store(self, done: int, total: int) -> None:
        self.reporter.report("decoding frames", done, total)
        self._show("Decoding frames", done, total)

    def row(self, row: MetricRow) -> None:
        self.reporter.report("training")
        if row["kind"] == "train":
            self._show(f"Epoch {row['epoch']}", row["step"], row["steps"], loss=row["loss"])
            return
        self.close()
        numbers = {k: row[k] for k in ("train_loss", "val_loss", "mean_iou", "pixel_accuracy")}
        shown = ", ".join(f"{k} {v:.4f}" for k, v in numbers.items() if v is not None)
        logger.info("Epoch %d: %s", row["epoch"], shown)

    def _show(self, what: str, done: int, total: int, **numbers: float) -> None:
        with suppress(OSError):  # a terminal that is gone: SIGHUP decides what happens
            if self.bar is None or self.shown != (what, total):
                self.close()
                self.bar, self.shown = tqdm(total=total, desc=what, disable=None), (what, total)
            self.bar.set_postfix(numbers, refresh=False)
            self.bar.update(done - self.bar.n)
            if done == total:
                self.close()

    def close(self) -> None:
        bar, self.bar = self.bar, None
        if bar is not None:
            with suppress(OSError):
                bar.close()


def main(arguments: list[str] | None = None) -> int:
    """Train the run that `--run` names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cityseg.train", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="The run's folder.")
    folder = parser.parse_args(arguments).run
    is_logged = _is_stderr(RunDir(folder).log_file)
    line = LOG_FORMAT if is_logged else "%(message)s"
    logging.basicConfig(level=logging.INFO, format=line, stream=sys.stderr)
    try:
        status = _status_of_training(RunDir.open(folder))
    except CitysegError as error:
        if getattr(error, "reason", "") == RANK_LOST and not Rank.this().is_first:
            pass  # the first one reports it
        elif is_logged:
            logger.error("%s", error)
        else:
            print(f"cityseg: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_NOTHING
    return EXIT_ALL if status == "done" else EXIT_SOME


def _status_of_training(run: RunDir) -> str:
    """Train `run` as this process has to, and return the status in its summary."""
    if not is_started_by_torchrun():
        return str(train_run(run)["status"])
    end_with_parent()
    if not Rank.this().is_first:
        _train_beside_first(run)
    elif has_launcher():
        _train_for_launcher(run)
    else:
        train_run(run)
    return "done"  # or stopped: torchrun would take another status for a failure


if __name__ == "__main__":
    sys.exit(main())
