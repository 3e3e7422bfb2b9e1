"""End a job in any state, with all processes that belong to it.

It is asked to stop, which saves a checkpoint; then its processes are terminated; then killed. They
are found through the job's files, as descendants, and by the token in their environment, which
processes that have detached themselves have, too.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cityseg.errors import RunError
from cityseg.runs import JOB_VARIABLE, RunDir
from cityseg.system import (
    Lock,
    Process,
    descendants,
    module_command,
    pids_with_variable,
    read_json,
    reap,
    spawn,
    write_json,
)

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Graces:
    """Seconds that a job has to end after each step."""

    ask: float = 30.0  # to save a checkpoint after the next training step
    terminate: float = 5.0
    kill: float = 10.0  # for the kernel to remove the processes


def stop_job(run: RunDir, graces: Graces) -> None:
    """End the job of `run`; returns when none of its processes is alive and its lock is free.

    If the run has ended, only processes that it left running are ended, and a job that resumes it
    meanwhile is left alone. Raises RunError if a process cannot be killed, or belongs to another
    machine.
    """
    try:
        run.job.mkdir(exist_ok=True)
        # One stop at a time: a trainer that is asked twice ends at once, without a checkpoint.
        with Lock.take(run.job / "stop.lock", graces.ask + graces.terminate + graces.kill):
            token = _token(run)
            request_stop(run)
            if (
                _ask(run, token, graces.ask)
                or _signal_all(run, token, signal.SIGTERM, graces.terminate)
                or _signal_all(run, token, signal.SIGKILL, graces.kill)
            ):
                return
    except OSError as error:
        raise unstoppable(run, error) from error
    raise RunError(f"{run.path} could not be stopped: {_survivors(run)}; end it by hand")


def request_stop(run: RunDir) -> None:
    """Write into the folder of `run` that it shall stop, if a process is at work on it."""
    if run.is_locked():
        write_json(run.stop_file, {}, durable=False)


def stop_in_background(run: RunDir) -> None:
    """Have a process stop `run` after this one has returned; raises OSError."""
    command = module_command("cityseg", "jobs", "stop", str(run.path.absolute()))
    with run.log_file.open("ab") as log:
        reap(spawn(command, stdout=subprocess.DEVNULL, stderr=log))


def unstoppable(run: RunDir, error: OSError) -> RunError:
    """The error for a stop that the system refused."""
    return RunError(
        f"{run.path} cannot be stopped ({error.strerror}): check permissions and free space there"
    )


def _tokens(run: RunDir) -> list[str]:
    """Those that the supervisor and the trainer of the run's newest job have, if they are there."""
    files = (read_json(run.supervisor_file), read_json(run.trainer_file))
    return [str(file["token"]) for file in files if file.get("token")]


def _token(run: RunDir) -> str:
    """The token of the run's newest job; empty if it has none."""
    return next(iter(_tokens(run)), "")


def _is_resumed(run: RunDir, token: str) -> bool:
    """Whether the run has another job by now than that of `token`, which has ended then.

    A job without a token has not written its files yet.
    """
    return token != "" and _token(run) not in ("", token)


def _ask(run: RunDir, token: str, seconds: float) -> bool:
    """Ask once and wait; whether all processes have ended."""
    asked: set[Process] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if _is_resumed(run, token):
            return True
        # The first is the supervisor, if it is alive: it passes the signal on to the trainer,
        # which would receive two if it were sent one here as well.
        heads = [each for each in _heads(run) if each.is_alive()][:1]
        for head in set(heads) - asked:
            # Where a thread of this process trains, the thread sees the request itself.
            if head.pid != os.getpid() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
                head.send(signal.SIGTERM)
            asked.add(head)
        if not heads and not run.is_locked():
            return not _members(run)
        time.sleep(_POLL_SECONDS)
    return False


def _signal_all(run: RunDir, token: str, number: signal.Signals, seconds: float) -> bool:
    """Signal every process of the job once, later ones as well; whether all have ended."""
    signalled: set[Process] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        members = _members(run)
        if _is_resumed(run, token) or (not members and not run.is_locked()):
            return True
        for member in members - signalled:
            member.send(number)
        signalled |= members
        time.sleep(_POLL_SECONDS)
    return False


def _heads(run: RunDir) -> Iterator[Process]:
    """The supervisor and the trainer that the job's files name, alive or not."""
    for file in (run.supervisor_file, run.trainer_file):
        if head := Process.from_json(read_json(file)):
            yield head


def _members(run: RunDir) -> set[Process]:
    """All living processes of the job, without the one that stops it."""
    heads = {head.pid for head in _heads(run) if head.is_alive()}
    tokens = set(_tokens(run))
    pids = set(heads).union(*(pids_with_variable(JOB_VARIABLE, token) for token in tokens))
    pids = (pids | descendants(pids)) - {os.getpid()}
    return {member for member in map(Process.of, pids) if member}


def _survivors(run: RunDir) -> str:
    if members := _members(run):
        return f"process {', '.join(str(each.pid) for each in members)} does not end"
    places = {head.hostname for head in _heads(run)}
    return f"it is in use by a process of {' or '.join(places) or 'an unknown program'}"
