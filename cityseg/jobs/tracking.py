"""Weights & Biases as a follower of the run folder, which can neither delay nor fail a training.

The follower, `wandb_follower`, is a process of its own: it reads what a training writes and sends
it. The job's supervisor starts it, or the command that trains in the foreground, or `track`. The
trainer knows nothing of it, and wandb is imported nowhere else: it replaces `sys.exit` and the
exception hook, waits for uploads when Python exits and asks the terminal for a key.

What was sent is recorded in RUN/wandb/opened.json, so that the next follower continues there.
"""

import importlib.util
import logging
import shlex
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, Strict

from cityseg.errors import CitysegError, RunError
from cityseg.runs import JOB_VARIABLE, MetricRow, RunDir
from cityseg.system import FileModel, is_held, module_command, read_or_none, spawn, write_json

Mode = Literal["offline", "online"]

#: How long the end of a training in the foreground waits for its follower.
FOREGROUND_SECONDS: Final = 5.0
#: How long an interrupted `track` waits for its follower to close the run.
_INTERRUPTED_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1

_FOLLOWER: Final = "cityseg.jobs.wandb_follower"

#: Where a metric row stands: epoch, whether it is that epoch's last, step. Rises within a run.
RowKey = tuple[int, bool, int]
BEFORE_ALL_ROWS: Final[RowKey] = (0, False, 0)

_log = logging.getLogger(__name__)


class TrackingState(FileModel, frozen=False):
    """How far a run is tracked: RUN/wandb/opened.json. Version 0.1.0 wrote `url` and `folder`."""

    id: str = ""  # of the run on Weights & Biases
    mode: Mode = "offline"
    url: str | None = None  # the run's web page, once there is one
    folder: str  # what wandb writes in this session
    #: Such folders whose upload is not complete, the oldest first.
    waiting: list[str] = Field(default_factory=list)
    sent: Annotated[RowKey, Strict(False)] | None = (
        None  # the newest row; None: by 0.1.0, which sent each row as it came
    )
    panels: int = 0  # epoch of the newest predictions
    is_finished: bool = True  # false while a follower is at work, and after it was killed
    inode: int = 0  # of RUN/wandb: that of a renamed run stays, that of a copy is another

    @classmethod
    def load(cls, run: RunDir) -> "TrackingState | None":
        """The state of `run`; None if it was never tracked, or is a copy of a run that was."""
        state = read_or_none(run.tracking_file, cls)
        if state is None:
            return None
        if "id" not in state.model_fields_set:
            state.id = run.id if state.folder.endswith(f"-{run.id}") else ""
            state.waiting = [] if state.url else [state.folder]
        if state.id != run.id and not state._is_of_renamed(run):
            return None
        state.place(run)
        return state

    def _is_of_renamed(self, run: RunDir) -> bool:
        try:
            is_same_folder = run.tracking.stat().st_ino == self.inode
        except OSError:
            return False
        return bool(self.id) and is_same_folder and not run.path.with_name(self.id).exists()

    def place(self, run: RunDir) -> None:
        """Correct the paths of wandb's folders after the run was renamed."""
        self.folder, *self.waiting = (_placed(each, run) for each in (self.folder, *self.waiting))

    def save(self, run: RunDir) -> None:
        """Write it; without space on the disk, the next follower sends some rows twice."""
        self.place(run)
        with suppress(OSError):
            self.inode = run.tracking.stat().st_ino
            write_json(run.tracking_file, self.model_dump(mode="json"), durable=False)


def _placed(folder: str, run: RunDir) -> str:
    here = run.tracking.absolute() / Path(folder).name
    return str(here) if here.is_dir() and not Path(folder).is_dir() else folder


class Tracked(NamedTuple):
    """Where a tracked run is to be found."""

    url: str | None  # the run's web page, if it has one
    upload: str | None  # the command that uploads what is on this disk alone, if anything is


def row_key(row: MetricRow) -> RowKey:
    """Where a row of metrics.jsonl stands."""
    return int(row["epoch"]), row["kind"] == "epoch", int(row["step"])


def find_tracked(run: RunDir) -> Tracked | None:
    """Where `run` is tracked; None if it is not."""
    state = TrackingState.load(run)
    if state is None:
        return None
    folders = not_uploaded(state.waiting)
    if state.mode == "online" and state.folder in folders and is_followed(run):
        folders.remove(state.folder)  # its upload is under way
    return Tracked(state.url, upload_command(folders) if folders else None)


def not_uploaded(folders: Sequence[str]) -> list[str]:
    """Those of wandb's folders that exist and were not uploaded by `wandb sync`, which marks it."""
    return [
        each
        for each in folders
        if Path(each).is_dir() and not any(Path(each).glob("*.wandb.synced"))
    ]


def upload_command(folders: Sequence[str]) -> str:
    """The shell command that uploads wandb's `folders`, which must keep their order."""
    is_offline = all(Path(each).name.startswith("offline-") for each in folders)
    flags = [] if is_offline else ["--include-online"]
    return shlex.join(["wandb", "sync", *flags, *folders])


def is_followed(run: RunDir) -> bool:
    """Whether a follower of `run` is at work."""
    try:
        return is_held(run.tracking_lock)
    except OSError:
        return False


def start_follower(run: RunDir) -> "subprocess.Popen[bytes] | None":
    """Track `run` in the background if its settings say so; returns at once.

    Call it while the run's lock is held: the follower ends when that is free. An error is a warning
    in the log, and never raised. The returned process ends as soon as the run is followed.
    """
    try:
        mode = run.config().wandb
        if mode == "off":
            return None
        _check_installed()
        return _spawn_follower(run, "--background", "--follow", "--mode", mode)
    except (OSError, CitysegError) as error:
        _log.warning("Weights & Biases tracks nothing: %s", error)
        return None


def _spawn_follower(run: RunDir, *options: str) -> "subprocess.Popen[bytes]":
    run.tracking.mkdir(exist_ok=True)
    command = module_command(_FOLLOWER, *options, str(run.path.absolute()))
    # Without the job's token, stopping the job does not stop the follower.
    environment = {JOB_VARIABLE: ""}
    if "--background" not in options:
        return spawn(command, stdout=subprocess.DEVNULL, environment=environment)
    with run.log_file.open("ab") as log:
        return spawn(command, stdout=subprocess.DEVNULL, stderr=log, environment=environment)


def _check_installed() -> None:
    found = importlib.util.find_spec("wandb")
    if not found or not found.origin:  # without origin: a folder of runs that is called wandb
        raise RunError("The package wandb is not installed: run `pip install 'cityseg[tracking]'`")


def await_follower(
    run: RunDir, started: "subprocess.Popen[bytes]", seconds: float = FOREGROUND_SECONDS
) -> str:
    """Wait at most `seconds` for the follower of a run that has ended; returns what to report.

    `started` is what `start_follower` returned. An interrupt ends the wait.
    """
    end = time.monotonic() + seconds
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        started.wait(seconds)
        while is_followed(run) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
    if started.poll() is None or is_followed(run):
        return f"Weights & Biases continues in the background: see {run.log_file}"
    return tracking_outcome(run)


def tracking_outcome(run: RunDir) -> str:
    """A sentence on where `run` is tracked."""
    tracked = find_tracked(run)
    if tracked is None:
        return f"{run.path} is not tracked by Weights & Biases: see {run.log_file}"
    if tracked.upload:
        return (
            f"{run.path} is tracked offline: upload it to Weights & Biases with `{tracked.upload}`"
        )
    return f"{run.path} is tracked by Weights & Biases: {tracked.url or 'uploaded'}"


def track(run: RunDir, mode: Mode, *, follow: bool) -> int:
    """Send to Weights & Biases what it lacks of `run`, with `follow` until the run has ended.

    Warnings go to standard error. Returns an exit status: EXIT_ALL if everything was sent,
    EXIT_SOME if only a part was, or if the run is kept offline against `mode`, EXIT_NOTHING if it
    cannot be tracked. Raises RunError if wandb is not installed or the folder cannot be written.
    """
    _check_installed()
    try:
        process = _spawn_follower(run, *(["--follow"] if follow else []), "--mode", mode)
    except OSError as error:
        raise RunError(
            f"{run.path} cannot be tracked ({error.strerror}): check its permissions"
        ) from error
    try:
        return process.wait()
    except BaseException:  # an interrupt: what was read is still sent
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_INTERRUPTED_SECONDS)
        raise
