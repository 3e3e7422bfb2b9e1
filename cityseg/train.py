"""The process of a training run: `python -m cityseg.train --run RUNS/ID`.

It locks the run, or takes over the lock that its parent handed on, then logs to run.log, trains or
resumes, and writes summary.json whatever happens. SIGTERM and SIGINT save the state at the next
step and end the run as "stopped"; a second one ends the process at once.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from tqdm import tqdm

from cityseg.errors import CitysegError, TrainingError
from cityseg.jobs.trainer import Teller, told
from cityseg.runs import MetricRow, RunDir

logger = logging.getLogger("cityseg")

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_STOPPED: Final = 2

_LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


def train_run(run: RunDir) -> MetricRow:
    """Train `run` in this process, with progress on the terminal; returns its summary.

    Raises RunError if another process trains it, and whatever ends the training early, after the
    reason has been written to summary.json.
    """
    with run.locked() as lock, _stop_signals() as should_stop, _logging_to(run.log_file):
        run.remove_leftovers()
        try:
            with told(run, is_submitted=lock.is_inherited) as teller, _View(teller) as view:
                # Seconds of importing torch, during which the lock is held and signals are heard.
                from cityseg.training import torch_errors_explained, train

                with torch_errors_explained():
                    summary = train(
                        run, should_stop=should_stop, on_row=view.row, on_store=view.store
                    )
                    run.write_summary(summary)
        except BaseException as error:
            with suppress(OSError):  # a broken disk must not hide what ended the run
                run.write_summary(_failure(error))
            raise
        logger.info("%s: %s", run.id, summary["status"])
        return summary


def _failure(error: BaseException) -> MetricRow:
    if isinstance(error, TrainingError):
        reason, detail, hint = error.reason, error.detail, error.hint
    elif isinstance(error, CitysegError):
        reason, detail, hint = "bad_input", str(error), "mend that and resume the run"
    else:
        reason, detail, hint = "error", f"{type(error).__name__}: {error}", "see run.log"
    return {"status": "failed", "reason": reason, "detail": detail, "hint": hint}


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Append what the package logs to `path`, and the error that ends the block.

    Where standard error is that file, all of it gets there by itself.
    """
    logger.setLevel(logging.INFO)
    if _is_stderr(path):
        yield
        return
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    logger.addHandler(handler)
    try:
        yield
    except BaseException as error:  # the caller shows it on the terminal, in its own way
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
    """A log file that may lose lines on a full disk, but ends nothing and prints nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing."""


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether a stop signal was received, for asking; a second one ends the process at once."""
    received: list[signal.Signals] = []
    is_told = False

    def note(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    def should_stop() -> bool:
        nonlocal is_told
        if received and not is_told:  # not in `note`, which may interrupt another print
            is_told = True
            logger.info("%s: saving the state and stopping", received[0].name)
        return bool(received)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, note)
    try:
        yield should_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _View:
    """Shows rows on a terminal, a bar for the steps, a line for each epoch; and tells of them."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.bar: tqdm[Any] | None = None
        self.shown: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def store(self, done: int, total: int) -> None:
        self.teller.tell("decoding frames", done, total)
        self._show("decoding frames", done, total)

    def row(self, row: MetricRow) -> None:
        self.teller.tell("training")
        if row["kind"] == "train":
            self._show(f"epoch {row['epoch']}", row["step"], row["steps"], loss=row["loss"])
            return
        self.close()
        numbers = {k: row[k] for k in ("train_loss", "val_loss", "mean_iou", "pixel_accuracy")}
        shown = ", ".join(f"{k} {v:.4f}" for k, v in numbers.items() if v is not None)
        logger.info("epoch %d: %s", row["epoch"], shown)

    def _show(self, what: str, done: int, total: int, **numbers: float) -> None:
        if self.bar is None or self.shown != (what, total):
            self.close()
            self.bar, self.shown = tqdm(total=total, desc=what, disable=None), (what, total)
        self.bar.set_postfix(numbers, refresh=False)
        self.bar.update(done - self.bar.n)
        if done == total:
            self.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def main(arguments: list[str] | None = None) -> int:
    """Train the run that `--run` names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cityseg.train", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    folder = parser.parse_args(arguments).run
    is_logged = _is_stderr(RunDir(folder).log_file)
    line = _LOG_FORMAT if is_logged else "%(message)s"
    logging.basicConfig(level=logging.INFO, format=line, stream=sys.stderr)
    try:
        summary = train_run(RunDir.open(folder))
    except CitysegError as error:
        if is_logged:
            logger.error("%s", error)
        else:
            print(f"cityseg: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    return EXIT_DONE if summary["status"] == "done" else EXIT_STOPPED


if __name__ == "__main__":
    sys.exit(main())
