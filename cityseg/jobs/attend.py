"""The process beside a trainer on a cluster: `python -m cityseg.jobs.attend --run RUN -- COMMAND…`.

The cluster starts it where and when there is room. It takes the run's lock, starts the trainer
(COMMAND and the run's folder) and waits for its end, as a supervisor does on this machine. It ends
with the status EXIT_AGAIN if the cluster has interrupted the run, which continues from its last
state when this process is run again. It imports no torch.

A stop is requested by a file in the run's folder, the only link between the machines. SIGUSR1 asks
for a state to be saved. SIGTERM is not passed on to the trainer: clusters send it to all processes
of a job, and a trainer that is asked twice ends at once, without a state.
"""

import argparse
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME, CitysegError, RunError
from cityseg.jobs.logs import LOG_FORMAT
from cityseg.jobs.notifying import start_notifier
from cityseg.jobs.placed import placement_of
from cityseg.jobs.stop_requests import STOP_OF_TRAINER
from cityseg.jobs.supervise import end_summary, failed_summary, start_trainer
from cityseg.jobs.tracking import await_follower, start_follower
from cityseg.places import EXIT_AGAIN, check_shared
from cityseg.runs import JOB_VARIABLE, MetricRow, RunDir, following
from cityseg.system import (
    FIXED_ORDER,
    Lock,
    Process,
    is_held,
    is_listed,
    oom_kills,
    read_json,
    write_json,
)

if TYPE_CHECKING:
    import subprocess

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 1.0
#: The process that submits the run holds its lock until it knows the id of the job.
_LOCK_SECONDS: Final = 60.0
#: How long the end of the job, which would kill them, waits for processes that report elsewhere.
_FOLLOWER_SECONDS: Final = 60.0

_SAVE: Final = signal.SIGUSR1
_END: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Slurm sends it to all processes before the time limit; another process sends SIGUSR1 then.
_LIMIT: Final = signal.SIGUSR2


def main(arguments: Sequence[str] | None = None) -> int:
    """Attend to the run that `--run` names; returns the exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_END, _SAVE, signal.SIGCHLD))
    signal.signal(_LIMIT, signal.SIG_IGN)  # the trainer inherits that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (_LIMIT,))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--place", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("trainer", nargs="+")
    options = parser.parse_args(arguments)
    try:
        return attend(RunDir.open(options.run), options.place, options.token, options.trainer)
    except (CitysegError, OSError) as error:
        print(f"cityseg: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_NOTHING


def attend(run: RunDir, place: str, token: str, command: Sequence[str]) -> int:
    """Train `run` with `command` for the job that was submitted with `token` to `place`.

    Returns the exit status. Raises RunError if the run is in use, or was submitted again or resumed
    elsewhere since, and PlaceError if its folder cannot be shared.
    """
    with following(run) as run:
        with _locked(run, token) as lock, run.log_file.open("ab") as log:
            filesystem = check_shared(run.path)
            for descriptor in (1, 2):  # the run has one log, wherever it trains
                os.dup2(log.fileno(), descriptor)
            _begin(run, place)
            logger.info("On %s: %s", socket.gethostname(), filesystem)
            trainer = _start(run, lock, list(command))
            follower = start_follower(run) if trainer else None
            if trainer:
                start_notifier(run)
                was_interrupted = _await_end(run, trainer)
                if was_interrupted:
                    _undo_end(run)
        # The lock is free: those who follow the run see its end.
        if (status := _status(run)) != EXIT_AGAIN:
            _await_followers(run, follower)
        return status


def _locked(run: RunDir, token: str) -> Lock:
    try:
        lock = Lock.take(run.lock_file, _LOCK_SECONDS)
    except BlockingIOError as error:
        raise RunError(f"{run.path} is being trained by another process") from error
    placed = placement_of(run)
    if placed and placed.token == token:
        return lock
    lock.close()
    raise RunError(f"{run.path} was submitted again or resumed elsewhere since: it is left alone")


def _begin(run: RunDir, place: str) -> None:
    """Remove the files of an interrupted attempt, and name this process.

    The file that requests a stop stays: it may be newer than the job.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    os.environ.update(FIXED_ORDER)
    os.environ[JOB_VARIABLE] = token = f"{run.id}-{secrets.token_hex(8)}"
    run.job.mkdir(exist_ok=True)
    for file in (run.summary_file, run.progress_file, run.trainer_file):
        file.unlink(missing_ok=True)
    write_json(run.supervisor_file, {**Process.this().to_json(), "device": place, "token": token})


def _start(run: RunDir, lock: Lock, command: list[str]) -> "subprocess.Popen[bytes] | None":
    """The trainer; None if the run was stopped or cannot be trained, with a summary then."""
    if run.stop_file.exists():
        _write_end(run, {"status": "stopped"})
        return None
    try:
        return start_trainer(run, lock, None, command)
    except (OSError, CitysegError) as error:
        hint = "remove the cause and resume the run"
        _write_end(run, failed_summary("error", str(error), hint))
        return None


def _await_end(run: RunDir, trainer: "subprocess.Popen[bytes]") -> bool:
    """Wait for the trainer to end; whether the cluster has ended it.

    Writes the summary if the trainer wrote none.
    """
    kills, is_requested, is_interrupted = oom_kills(), False, False
    while trainer.poll() is None:
        received = signal.sigtimedwait((*_END, _SAVE, signal.SIGCHLD), _POLL_SECONDS)
        number = received.si_signo if received else 0
        if is_requested or is_interrupted:
            continue
        is_requested = _stop_is_requested(run)
        is_interrupted = not is_requested and number in (*_END, _SAVE)
        if is_requested or number == _SAVE:
            trainer.terminate()
    if not is_requested:  # it may have ended before this process has looked at its own signals
        is_interrupted = is_interrupted or not signal.sigpending().isdisjoint(_END)
    _write_end(run, end_summary(run, trainer.returncode, oom_kills() > kills))
    return is_interrupted


def _undo_end(run: RunDir) -> None:
    """Remove what looks like an end for other reasons after the cluster has interrupted a training.

    One in several processes stops them through the folder. One that was killed before it could save
    its state has not failed.
    """
    if not _stop_is_requested(run):  # after the cluster's signal
        run.stop_file.unlink(missing_ok=True)
    if read_json(run.summary_file).get("reason") == "killed":
        run.write_summary({"status": "stopped"})


def _stop_is_requested(run: RunDir) -> bool:
    """Whether somebody has requested it, and not the trainer for its own processes."""
    return is_listed(run.stop_file) and read_json(run.stop_file) != STOP_OF_TRAINER


def _write_end(run: RunDir, summary: MetricRow) -> None:
    if not run.summary_file.exists():
        with suppress(RunError):  # a broken disk: the run counts as lost
            run.write_summary(summary)


def _await_followers(run: RunDir, follower: "subprocess.Popen[bytes] | None") -> None:
    """Wait for the processes that report elsewhere, for so long as the job can afford."""
    if follower:
        await_follower(run, follower, _FOLLOWER_SECONDS)
    end = time.monotonic() + _FOLLOWER_SECONDS
    with suppress(OSError):
        while is_held(run.notifier_lock) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)


def _status(run: RunDir) -> int:
    status = read_json(run.summary_file).get("status")
    if status == "stopped":
        return EXIT_SOME if run.stop_file.exists() else EXIT_AGAIN
    return EXIT_ALL if status == "done" else EXIT_NOTHING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
