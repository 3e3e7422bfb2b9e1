"""End a job, whatever state it is in, with all processes that belong to it.

First it is asked, which saves a checkpoint; then its processes are terminated; then killed. They
are found by the job's files, as their descendants, and by the token in their environment, which
also those have that made themselves independent.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cityseg.errors import RunError
from cityseg.runs import JOB_VARIABLE, RunDir
from cityseg.system import Lock, Process, descendants, pids_with_variable, read_json, write_json

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Graces:
    """Seconds that a job has to end, each before the next means."""

    ask: float = 30.0  # to save a checkpoint after the next step
    terminate: float = 5.0
    kill: float = 10.0  # for the system to clear away what was killed


def stop_job(run: RunDir, graces: Graces) -> None:
    """End the job of `run`; returns when no process of it lives and its lock is free.

    Does nothing to a run that has ended but to end what it has left running. Raises RunError if
    something cannot be killed, or runs on another machine.
    """
    try:
        run.job.mkdir(exist_ok=True)
        # One at a time: a trainer that is asked twice ends at once, without saving.
        with Lock.take(run.job / "stop.lock", graces.ask + graces.terminate + graces.kill):
            request_stop(run)
            if (
                _ask(run, graces.ask)
                or _signal_all(run, signal.SIGTERM, graces.terminate)
                or _signal_all(run, signal.SIGKILL, graces.kill)
            ):
                return
    except OSError as error:
        raise RunError(f"{run.path} cannot be stopped ({error.strerror}): mend that") from error
    raise RunError(f"{run.path} could not be stopped: {_who_is_left(run)}; end that by hand")


def request_stop(run: RunDir) -> None:
    """Leave word that the run shall stop, if somebody is at work on it."""
    if run.is_locked():
        write_json(run.stop_file, {}, durable=False)


def _ask(run: RunDir, seconds: float) -> bool:
    """Ask once and wait; whether all has ended."""
    asked: set[Process] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # A supervisor passes it on, so that the trainer hears it once.
        heads = [each for each in _heads(run) if each.is_alive()][:1]
        for head in set(heads) - asked:
            head.send(signal.SIGTERM)
            asked.add(head)
        if not heads and not run.is_locked():
            return not _members(run)
        time.sleep(_POLL_SECONDS)
    return False


def _signal_all(run: RunDir, number: signal.Signals, seconds: float) -> bool:
    """Send every process of the job a signal, also those that appear; whether all has ended."""
    told: set[Process] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        members = _members(run)
        if not members and not run.is_locked():
            return True
        for member in members - told:
            member.send(number)
        told |= members
        time.sleep(_POLL_SECONDS)
    return False


def _heads(run: RunDir) -> Iterator[Process]:
    """The supervisor and the trainer, as far as they are known, alive or not."""
    for file in (run.supervisor_file, run.trainer_file):
        if head := Process.from_json(read_json(file)):
            yield head


def _members(run: RunDir) -> set[Process]:
    """All living processes of the job."""
    heads = {head.pid for head in _heads(run) if head.is_alive()}
    files = (read_json(run.supervisor_file), read_json(run.trainer_file))
    tokens = {str(file["token"]) for file in files if file.get("token")}
    pids = set(heads).union(*(pids_with_variable(JOB_VARIABLE, token) for token in tokens))
    pids = (pids | descendants(pids)) - {os.getpid()}
    return {member for member in map(Process.of, pids) if member}


def _who_is_left(run: RunDir) -> str:
    if members := _members(run):
        return f"process {', '.join(str(each.pid) for each in members)} does not end"
    places = {head.hostname for head in _heads(run)}
    return f"it is in use by a process of {' or '.join(places) or 'a program that is unknown'}"
