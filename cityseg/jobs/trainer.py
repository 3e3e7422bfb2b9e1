"""What a process that trains tells those who look at its run, while it does.

It names itself in the run's folder, takes a place in the queue of its device if its parent took
none for it, says what it is at before there are metric rows, and writes what it takes of the
machine. None of that can end a training.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from cityseg.errors import RunError
from cityseg.jobs.queue import DeviceQueue, Ticket
from cityseg.jobs.usage import sampled
from cityseg.runs import JOB_VARIABLE, RunDir
from cityseg.system import FIXED_ORDER, Process, device_key, write_json

logger = logging.getLogger(__name__)

_PROGRESS_SECONDS: Final = 1.0
_FRESH_SECONDS: Final = 60.0


class Teller:
    """Says what the trainer is at."""

    def __init__(self, run: RunDir, ticket: Ticket | None) -> None:
        """For the holder of the run's lock, and of a ticket if there is one."""
        self._run, self._ticket = run, ticket
        self._stage, self._told, self._refreshed = "", 0.0, time.monotonic()

    def tell(self, stage: str, done: int = 0, total: int = 0) -> None:
        """`stage` begins or goes on; "training" is the last, when metric rows say the rest."""
        now = time.monotonic()
        if self._ticket and now - self._refreshed > _FRESH_SECONDS:
            self._refreshed = now
            with suppress(OSError):
                self._ticket.keep_fresh()
        is_news = total and now - self._told > _PROGRESS_SECONDS
        if stage != self._stage or is_news:
            self._stage, self._told = stage, now
            with suppress(OSError):
                progress = {"stage": stage, "done": done, "total": total}
                write_json(self._run.progress_file, progress, durable=False)


@contextmanager
def told(run: RunDir, *, is_submitted: bool) -> Iterator[Teller]:
    """Tell about this process for as long as the block lasts.

    `is_submitted` says that the run's lock came from a parent, which has prepared the folder.
    Raises ConfigError or RunError if the folder is not a run's.
    """
    if not is_submitted:
        run.begin_attempt()
        os.environ[JOB_VARIABLE] = f"{run.id}-{secrets.token_hex(8)}"  # for what it starts
    device = device_key(run.config().device)
    for name, value in FIXED_ORDER.items():
        os.environ.setdefault(name, value)
    with suppress(OSError):
        process = Process.this().to_json() | {"token": os.environ.get(JOB_VARIABLE, "")}
        write_json(run.trainer_file, process, durable=False)
    ticket = Ticket.inherited() or _ticket(run, device)
    teller = Teller(run, ticket)
    teller.tell("starting")
    try:
        with sampled(run, device):
            yield teller
    finally:
        if ticket and not is_submitted:
            ticket.leave()


def _ticket(run: RunDir, device: str) -> Ticket | None:
    """A place among those that run on the device, so that queued runs wait for this one."""
    try:
        return DeviceQueue.of(device).join(run.id, at_once=True)
    except RunError as error:
        logger.warning("%s; this run is not seen there", error)
        return None
