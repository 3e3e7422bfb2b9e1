"""The process of a training run: `python -m cityseg.train --run RUNS/ID`.

It locks the run, then logs to run.log, trains or resumes, and writes summary.json whatever
happens. SIGTERM and SIGINT save the state at the next step and end the run as "stopped".
"""

import argparse
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tqdm import tqdm

from cityseg.errors import CitysegError, TrainingError
from cityseg.files import write_json
from cityseg.runs import RunDir
from cityseg.training import Row, train

logger = logging.getLogger("cityseg")

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_STOPPED: Final = 2


def train_run(run: RunDir) -> Row:
    """Train `run` in this process, with progress on the terminal; returns its summary.

    Raises RunError if another process trains it, and whatever ends the training early, after the
    reason has been written to summary.json.
    """
    with run.locked(), _logging_to(run.log_file), _stop_signals() as stop:
        run.summary_file.unlink(missing_ok=True)
        view = _View()
        try:
            summary = train(
                run, should_stop=lambda: bool(stop), on_row=view.row, on_store=view.store
            )
        except BaseException as error:
            logger.error("%s", error, exc_info=not isinstance(error, CitysegError))
            write_json(run.summary_file, _failure(error))
            raise
        finally:
            view.close()
        write_json(run.summary_file, summary)
        logger.info("%s: %s", run.id, summary["status"])
        return summary


def _failure(error: BaseException) -> Row:
    if isinstance(error, TrainingError):
        reason, detail, hint = error.reason, error.detail, error.hint
    elif isinstance(error, CitysegError):
        reason, detail, hint = "bad_input", str(error), "mend that and resume the run"
    else:
        reason, detail, hint = "error", f"{type(error).__name__}: {error}", "see run.log"
    return {"status": "failed", "reason": reason, "detail": detail, "hint": hint}


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Append what the package logs to `path`."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that fills with the stop signals received; a second one ends the process at once."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        logger.info("%s: saving at the next step", signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _View:
    """Shows rows on a terminal: a bar for the steps, a line for each epoch."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.shown: tuple[str, int] | None = None

    def store(self, done: int, total: int) -> None:
        self._show("decoding frames", done, total)

    def row(self, row: Row) -> None:
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
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        summary = train_run(RunDir.open(folder))
    except CitysegError as error:
        print(f"cityseg: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    return EXIT_DONE if summary["status"] == "done" else EXIT_STOPPED


if __name__ == "__main__":
    sys.exit(main())
