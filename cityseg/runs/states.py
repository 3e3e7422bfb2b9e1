"""The files of a run's training state: which there are, and whether one of them is undamaged.

A run that has results is only ever continued from a state: training it from the start would replace
them. Nothing here loads torch; `runs.checkpoints` reads and writes the content.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from cityseg.errors import CheckpointError
from cityseg.runs.folder import RunDir
from cityseg.runs.rows import best_epoch
from cityseg.system import read_regular_file

STATE_MAGIC: Final = b"cityseg-state-1\n"
DIGEST_BYTES: Final = 32

#: What to do with a run whose process is gone.
RESUME_HINT: Final = "resume it, from its last checkpoint if it has one"

_State = TypeVar("_State")

logger = logging.getLogger(__name__)


def newest_state(run: RunDir, read: Callable[[Path], _State]) -> _State | None:
    """What `read` returns for the newest undamaged state of `run`; None if it may begin.

    A damaged state, for which `read` raises CheckpointError, is logged, and the one before it is
    used. Raises CheckpointError if all are damaged, or if there is none but the run has results.
    """
    problems = []
    for path in _state_files(run):
        try:
            return read(path)
        except CheckpointError as error:
            logger.warning("%s. The state before it is used, if there is one.", error)
            problems.append(str(error))
    if results := _results(run):
        found = ", and ".join(problems) or f"there is no training state in {run.checkpoints}"
        raise CheckpointError(
            f"{run.path} cannot be continued, and was left as it is: it has {results}, but {found}."
            f" {_way_on(run)}"
        )
    if problems:
        raise CheckpointError(
            f"{', and '.join(problems)}: remove the .pt files there to train this run, which has "
            "no results yet, from the start"
        )
    return None


def check_state(run: RunDir) -> bool:
    """Whether `run` is continued from a state; false if it begins.

    Raises CheckpointError if it can do neither.
    """
    return newest_state(run, read_payload) is not None


def read_payload(path: Path) -> memoryview:
    """The output of `torch.save` in a state file; raises CheckpointError if it is damaged."""
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
    header = len(STATE_MAGIC) + DIGEST_BYTES
    payload = memoryview(content)[header:]
    digest = hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest()
    if content[:header] != STATE_MAGIC + digest:
        raise CheckpointError(f"{path} is damaged (its digest differs)")
    return payload


def fresh_state(run: RunDir) -> Path:
    """The file that a new state has before it becomes last.pt."""
    return run.last.with_name("next.pt")


def _state_files(run: RunDir) -> Iterator[Path]:
    """The state files that exist, the newest first.

    A next.pt exists only after a crash within `save_state`, and is the newest then: it is complete,
    as it took its name only when it was, and the next save replaces it.
    """
    return (path for path in (fresh_state(run), run.last, run.previous) if path.exists())


def _results(run: RunDir) -> str:
    """What `run` has that a training from the start would replace; empty if nothing."""
    if best := best_epoch(run.metrics()):
        return f"results (best mean IoU {best['mean_iou'] or 0:.1%} in epoch {best['epoch']})"
    weights = sorted(path.name for path in run.checkpoints.glob(f"*{run.best.suffix}"))
    return f"weights ({', '.join(weights[:3])})" if weights else ""


def _way_on(run: RunDir) -> str:
    if run.best.is_file():
        return f"To train on, start a new run from its weights: train --start-from {run.path}"
    return "To train on, start a new run"
