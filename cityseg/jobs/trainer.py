"""What a process that trains reports to those who watch its run.

It names itself in the run's folder, takes a place in the queues of its devices if its parent took
none for it, reports its stage until there are metric rows, and records what it uses of the machine.
No failure of these ends a training.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from cityseg.config import TrainConfig
from cityseg.errors import RunError
from cityseg.jobs.queue import DeviceQueue, Ticket, join_queues
from cityseg.jobs.usage import recording_usage
from cityseg.runs import JOB_VARIABLE, RunDir
from cityseg.system import (
    FIXED_ORDER,
    Process,
    device_key,
    device_keys,
    is_started_by_torchrun,
    processes_here,
    wait_passively,
    write_json,
)

logger = logging.getLogger(__name__)

_PROGRESS_SECONDS: Final = 1.0
_FRESH_SECONDS: Final = 60.0


class ProgressReporter:
    """Writes the stage of a training into the run's folder."""

    def __init__(self, run: RunDir, ticket: Ticket | None) -> None:
        """Report for a process that trains; `ticket` is what it has to keep in the queue."""
        self._run, self._ticket = run, ticket
        self._stage, self._written, self._refreshed = "", 0.0, time.monotonic()

    def report(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Report that `stage` begins, or how far it is; "training" is the last stage."""
        self.keep_fresh()
        now = time.monotonic()
        is_due = total and now - self._written > _PROGRESS_SECONDS
        if stage != self._stage or is_due:
            self._stage, self._written = stage, now
            with suppress(OSError):
                progress = {"stage": stage, "done": done, "total": total}
                write_json(self._run.progress_file, progress, durable=False)

    def keep_fresh(self) -> None:
        """Keep the place in the queue, by and by."""
        now = time.monotonic()
        if self._ticket and now - self._refreshed > _FRESH_SECONDS:
            self._refreshed = now
            with suppress(OSError, RunError):
                self._ticket.keep_fresh()


@contextmanager
def reporting(
    run: RunDir, config: TrainConfig, *, is_submitted: bool
) -> Iterator[ProgressReporter]:
    """Report on this process for the duration of the block, in which it trains with `config`.

    As `attempting`, and with what the process uses of the machine.
    """
    with (
        attempting(run, config, is_submitted=is_submitted) as reporter,
        recording_usage(run, device_key(config.device)),
    ):
        yield reporter


@contextmanager
def attempting(
    run: RunDir, config: TrainConfig, *, is_submitted: bool
) -> Iterator[ProgressReporter]:
    """Name this process in the run's folder and in the queue for the duration of the block.

    In the block, it or processes that it starts train with `config`. `is_submitted`: the run's lock
    came from a parent, which has prepared the folder. Otherwise this process may live on after the
    training, so nothing that belongs to it is left behind.

    Raises ConfigError or RunError if the folder is not a run's.
    """
    with ExitStack() as stack:
        if not is_submitted:
            run.begin_attempt(config)
            stack.enter_context(_job_token(run))
        prepare_for_torch()
        _write_trainer(run, Process.this().to_json())
        ticket = Ticket.inherited() or _take_ticket(run, config)
        if ticket and not is_submitted:
            stack.callback(ticket.leave)
        reporter = ProgressReporter(run, ticket)
        reporter.report("starting")
        yield reporter


def prepare_for_torch() -> None:
    """Set in the environment what torch reads once, when it is imported."""
    for name, value in FIXED_ORDER.items():
        os.environ.setdefault(name, value)
    wait_passively()


@contextmanager
def _job_token(run: RunDir) -> Iterator[None]:
    """Mark the processes that this one starts as those of the job.

    To stop a job is to end its trainer and all processes with its token. After the training this
    process is neither the trainer any more, nor are those that it starts then part of the job.
    """
    before = os.environ.get(JOB_VARIABLE)
    os.environ[JOB_VARIABLE] = f"{run.id}-{secrets.token_hex(8)}"
    try:
        yield
    finally:
        _write_trainer(run, {})
        del os.environ[JOB_VARIABLE]
        if before is not None:
            os.environ[JOB_VARIABLE] = before


def _write_trainer(run: RunDir, process: dict[str, Any]) -> None:
    with suppress(OSError):
        token = os.environ.get(JOB_VARIABLE, "")
        write_json(run.trainer_file, process | {"token": token}, durable=False)


def _take_ticket(run: RunDir, config: TrainConfig) -> Ticket | None:
    """A place among the trainings that use the devices, so that queued runs wait for this one."""
    processes = processes_here() if is_started_by_torchrun() else config.devices
    try:
        queues = map(DeviceQueue.of, device_keys(config.device, processes))
        return join_queues(queues, run.id, at_once=True)
    except RunError as error:
        logger.warning("%s. Runs in the queue do not wait for this one", error)
        return None
