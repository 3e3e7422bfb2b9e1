"""Jobs on this machine: a supervisor for each, no daemon."""

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cityseg.errors import RunError
from cityseg.jobs import logs
from cityseg.jobs.queue import TICKET_VARIABLE, DeviceQueue
from cityseg.jobs.state import JobState, state_of
from cityseg.jobs.stopping import Graces, request_stop, stop_job
from cityseg.runs import JOB_VARIABLE, LOCK_VARIABLE, RunDir
from cityseg.system import FIXED_ORDER, Lock, device_key, module_command, reap, spawn


@dataclass(frozen=True, slots=True)
class LocalMachine:
    """Runs jobs as processes of this machine that outlive whoever starts them.

    `trainer` is the command that trains; the run's folder is its last argument.
    """

    trainer: Sequence[str] = tuple(module_command("cityseg.train", "--run"))
    graces: Graces = field(default_factory=Graces)

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        """Queue the run, whose lock is handed on; it begins by itself, with `now` at once.

        Raises RunError if no process can be started.
        """
        device = device_key(run.config().device)
        ticket = DeviceQueue.of(device).join(run.path.name, at_once=now)
        ticket.try_start()
        path = run.path.absolute()
        options = ("--run", str(path), "--device", device, "--", *self.trainer)
        token = f"{run.path.name}-{secrets.token_hex(8)}"
        try:
            with run.log_file.open("ab") as log:
                supervisor = spawn(
                    module_command("cityseg.jobs.supervise", *options),
                    stdout=log,
                    stderr=log,
                    environment={**FIXED_ORDER, JOB_VARIABLE: token},
                    descriptors={
                        LOCK_VARIABLE: lock.descriptor,
                        TICKET_VARIABLE: ticket.lock.descriptor,
                    },
                )
        except OSError as error:
            ticket.leave()
            raise RunError(f"{path} cannot be started ({error.strerror}): mend that") from error
        ticket.lock.close()
        if supervisor.wait():
            raise RunError(f"{path} could not be started: see {run.log_file.name} there")

    def state(self, run: RunDir) -> JobState:
        """What the run is doing; raises ConfigError or RunError if its folder cannot say."""
        return state_of(run)

    def stop(self, run: RunDir, *, wait: bool) -> None:
        """End the run's job; without `wait`, a process of its own sees to that."""
        if wait:
            stop_job(run, self.graces)
            return
        request_stop(run)  # so that it is seen at once
        with run.log_file.open("ab") as log:
            command = module_command("cityseg", "jobs", "stop", str(run.path.absolute()))
            reap(spawn(command, stdout=subprocess.DEVNULL, stderr=log))

    def tail(self, run: RunDir, lines: int) -> list[str]:
        """The last lines of the run's log."""
        return logs.tail(run, lines)

    def follow(self, run: RunDir, lines: int) -> Iterator[str]:
        """The last lines of the run's log, then what is added, in pieces, until it has ended."""
        return logs.follow(run, lines)
