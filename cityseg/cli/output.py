"""What commands show while they work, and the exit status that sums it up."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cityseg.cli import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.defaults import PROGRESS_VARIABLE
from cityseg.wording import counted, readable_size

if TYPE_CHECKING:
    from cityseg.export import SubmissionCheck
    from cityseg.jobs import ProgressFile
    from cityseg.metrics import Scores

#: Of an archive, before the number of all: there may be one for each of 1525 files.
_MOST_PROBLEMS: Final = 10


@contextmanager
def progress_bar(what: str, unit: str, **settings: Any) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (done, total): it moves a bar on the terminal.

    Where this process is a task of the app, it also writes the task's progress file.
    """
    from tqdm import tqdm

    file = _progress_file(what, unit)
    with log_beside_bars(), tqdm(desc=what, unit=unit, disable=None, **settings) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if file:
                file.report(done, total)

        yield advance


def report_stage(what: str) -> None:
    """Where this process is a task of the app, report there what it does, without an end."""
    if file := _progress_file(what, ""):
        file.report(0, 0)


def _progress_file(what: str, unit: str) -> "ProgressFile | None":
    if PROGRESS_VARIABLE not in os.environ:
        return None  # without loading jobs, which takes a sixth of the time to convert a frame
    from cityseg.jobs import ProgressFile

    return ProgressFile.of_environment(what, unit)


@contextmanager
def log_beside_bars() -> Iterator[None]:
    """Print log lines above a bar on the terminal instead of through it."""
    from tqdm.contrib.logging import logging_redirect_tqdm  # loads asyncio

    with logging_redirect_tqdm():
        yield


def print_above_bars(line: str) -> None:
    """Print a line at once, above a bar that may be on the terminal."""
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def status_of(done: int, skipped: int) -> int:
    """The exit status after so many items."""
    if not skipped:
        return EXIT_ALL
    return EXIT_SOME if done else EXIT_NOTHING


def print_scores(scores: "Scores", frames: int) -> None:
    """Print a table of the classes and their means."""
    print(f"{'Class':14}{'IoU':>8}{'iIoU':>8}")
    for name, iou in scores.class_iou.items():
        print(f"{name:14}{shown(iou):>8}{shown(scores.instance_iou[name]):>8}")
    print(f"{'mean':14}{shown(scores.mean_iou):>8}{shown(scores.mean_instance_iou):>8}")
    print(f"Pixel accuracy {shown(scores.pixel_accuracy)} on {counted(frames, 'frame')}.")


def report_submission(path: Path, check: "SubmissionCheck") -> int:
    """Print what the evaluation server would say to an archive; returns the exit status."""
    for sentence in (*check.problems[:_MOST_PROBLEMS], *check.warnings):
        print(sentence, file=sys.stderr)
    if check.problems:
        found = counted(len(check.problems), "problem")
        print(f"{path}: {found}; the server would refuse it.", file=sys.stderr)
        return EXIT_NOTHING
    size = readable_size(path.stat().st_size)
    print(f"{path}: {counted(check.frames, 'frame')}, {size}, no problems.")
    return EXIT_ALL


def shown(value: float | None) -> str:
    """A score with four digits; a dash where it is undefined (None or NaN)."""
    return "–" if value is None or value != value else f"{value:.4f}"
