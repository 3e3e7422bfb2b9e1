"""The process beside each trainer: `python -m cityseg.jobs.supervise --run RUN -- COMMAND…`.

It waits in the queues of its devices, starts the trainer (COMMAND and the run's folder) and waits
for its end. It writes the summary if the trainer could not. It inherits the run's lock and the
ticket of the queues and hands both on, so that neither is free before both processes have ended: if
this one is killed, the trainer continues undisturbed. It also starts the processes that track the
run and report on it, if the run's settings and the environment say so. It imports no torch.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cityseg.errors import CitysegError, RunError
from cityseg.jobs.notifying import start_notifier
from cityseg.jobs.queue import TICKET_VARIABLE, Ticket
from cityseg.jobs.tracking import start_follower
from cityseg.runs import JOB_VARIABLE, LOCK_VARIABLE, RESUME_HINT, MetricRow, RunDir, following
from cityseg.system import Lock, Process, oom_kills, reap, spawn, write_json, yield_to_others

_POLL_SECONDS: Final = 0.5
_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> None:
    """Detach from the starter, which then need not wait for the job, and supervise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--device", required=True, action="append", dest="devices")
    parser.add_argument("trainer", nargs="+")
    options = parser.parse_args(arguments)
    # The starter waits for this process, which ends as soon as its child has registered. The child
    # belongs to process 1 then: it would stay a zombie of a starter that does not wait for it.
    registered, register = os.pipe()
    if os.fork():
        os.close(register)
        os._exit(0 if os.read(registered, 1) else 1)
    os.close(registered)
    yield_to_others()
    # Blocked signals stay pending until `sigtimedwait` or `sigwaitinfo` returns them: none is lost
    # between two calls, and no handler interrupts anything.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOP, signal.SIGCHLD))
    run, ticket = RunDir.open(options.run), Ticket.inherited()
    assert ticket  # noqa: S101 - the starter has taken one
    with run.locked() as lock, following(run) as run:
        token = os.environ[JOB_VARIABLE]
        process = Process.this().to_json()
        devices = {"device": options.devices[0], "devices": options.devices, "run": run.id}
        write_json(run.supervisor_file, {**process, **devices, "token": token})
        os.write(register, b"1")
        os.close(register)
        summary = _supervise(run, lock, ticket, options.trainer)
        if summary and not run.summary_file.exists():
            with suppress(RunError):  # a broken disk: the run counts as lost
                run.write_summary(summary)
        ticket.leave()


def _supervise(run: RunDir, lock: Lock, ticket: Ticket, command: list[str]) -> MetricRow:
    """Wait for the devices and train; the summary for the case that the trainer writes none."""
    try:
        while not ticket.try_start():
            ticket.keep_fresh()
            if signal.sigtimedwait(_STOP, _POLL_SECONDS):
                return {"status": "stopped"}
        if run.stop_file.exists() or signal.sigtimedwait(_STOP, 0):
            return {"status": "stopped"}
        kills = oom_kills()
        trainer = start_trainer(run, lock, ticket, command)
    except (OSError, CitysegError) as error:
        return failed_summary("error", str(error), "remove the cause and resume the run")
    if follower := start_follower(run):
        reap(follower)
    start_notifier(run)
    while trainer.poll() is None:
        if signal.sigwaitinfo((*_STOP, signal.SIGCHLD)).si_signo != signal.SIGCHLD:
            trainer.terminate()
    return end_summary(run, trainer.returncode, oom_kills() > kills)


def start_trainer(
    run: RunDir, lock: Lock, ticket: Ticket | None, command: list[str]
) -> "subprocess.Popen[bytes]":
    """Start the trainer with what it inherits; `ticket` is None where no queue of ours is used.

    Signals that this process has blocked are let through there. Raises OSError.
    """
    tickets = {TICKET_VARIABLE: ticket.descriptors} if ticket else {}
    trainer = spawn(
        [*command, str(run.path)],
        descriptors={LOCK_VARIABLE: (lock.descriptor,), **tickets},
        own_session=False,
        unblock_signals=True,  # this process has blocked those that it waits for
    )
    if process := Process.of(trainer.pid):
        token = os.environ[JOB_VARIABLE]
        write_json(run.trainer_file, {**process.to_json(), "token": token}, durable=False)
    return trainer


def end_summary(run: RunDir, status: int, was_out_of_memory: bool) -> MetricRow:
    """The summary for a trainer that ended with `status` and left none."""
    if run.stop_file.exists():
        return {"status": "stopped"}
    if status == -signal.SIGKILL and was_out_of_memory:
        return failed_summary(
            "out_of_memory",
            "The system ran out of memory and killed the training",
            "choose a smaller batch_size, crop, size or width, or end other programs",
        )
    if status < 0:
        name = signal.Signals(-status).name
        return failed_summary(
            "killed",
            f"The training was killed by {name}",
            RESUME_HINT,
        )
    return failed_summary("error", f"The training ended with status {status}", "see run.log")


def failed_summary(reason: str, detail: str, hint: str) -> MetricRow:
    """The summary of a failed run."""
    return {"status": "failed", "reason": reason, "detail": detail, "hint": hint}


if __name__ == "__main__":
    main(sys.argv[1:])
