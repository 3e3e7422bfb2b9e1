"""Jobs on this machine: a supervisor process for each, and no daemon."""

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cityseg.config import TrainConfig
from cityseg.errors import RunError
from cityseg.jobs import logs
from cityseg.jobs.queue import TICKET_VARIABLE, DeviceQueue, Ticket, join_queues
from cityseg.jobs.state import JobState, state_of
from cityseg.jobs.stopping import Graces, request_stop, stop_in_background, stop_job, unstoppable
from cityseg.runs import JOB_VARIABLE, LOCK_VARIABLE, RunDir, check_state
from cityseg.system import FIXED_ORDER, Lock, device_keys, module_command, spawn


@dataclass(frozen=True, slots=True)
class LocalMachine:
    """Runs jobs as processes of this machine that outlive the process that starts them.

    `trainer` is the command that trains; the run's folder is its last argument. `checks_data` is
    false for one that needs no dataset.
    """

    trainer: Sequence[str] = tuple(module_command("cityseg.train", "--run"))
    graces: Graces = field(default_factory=Graces)
    checks_data: bool = True

    def check(self, config: TrainConfig, stores: Path) -> None:
        """Raise CitysegError for what would end a new training of `config` before its first step.

        `stores` is the folder of its frame stores. Creates nothing.
        """
        from cityseg.runs.checks import check_start  # loads image libraries

        if self.checks_data:
            check_start(config, stores)

    def check_resume(self, run: RunDir, config: TrainConfig) -> None:
        """Raise CitysegError for what would end `run`, resumed with `config`, before a step."""
        from cityseg.runs.resuming import check_resume

        if self.checks_data:
            check_resume(run, config)
        else:
            check_state(run)

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        """Queue the run and hand its lock on; it begins in its turn, with `now` at once.

        Raises RunError if no process can be started; its devices are not kept then.
        """
        config = run.config()
        devices = device_keys(config.device, config.devices)
        ticket = join_queues(map(DeviceQueue.of, devices), run.path.name, at_once=now)
        try:
            ticket.try_start()
            supervisor = self._start_supervisor(run, lock, ticket, devices)
        except BaseException:
            # This process lives on, and would keep the devices from all other runs.
            ticket.leave()
            raise
        ticket.close()
        if supervisor.wait():
            raise RunError(f"{run.path} could not be started: see {run.log_file.absolute()}")

    def _start_supervisor(
        self, run: RunDir, lock: Lock, ticket: Ticket, devices: Sequence[str]
    ) -> "subprocess.Popen[bytes]":
        path = run.path.absolute()
        named = (option for device in devices for option in ("--device", device))
        options = ("--run", str(path), *named, "--", *self.trainer)
        token = f"{run.path.name}-{secrets.token_hex(8)}"
        try:
            with run.log_file.open("ab") as log:
                return spawn(
                    module_command("cityseg.jobs.supervise", *options),
                    stdout=log,
                    stderr=log,
                    environment={**FIXED_ORDER, JOB_VARIABLE: token},
                    descriptors={
                        LOCK_VARIABLE: (lock.descriptor,),
                        TICKET_VARIABLE: ticket.descriptors,
                    },
                )
        except OSError as error:
            raise RunError(
                f"{path} cannot be started ({error.strerror}): remove the cause and try again"
            ) from error

    def state(self, run: RunDir) -> JobState:
        """What the run is doing; raises ConfigError or RunError if its folder is not readable."""
        return state_of(run)

    def stop(self, run: RunDir, *, wait: bool) -> None:
        """End the run's job; without `wait` a process in the background does it."""
        if wait:
            stop_job(run, self.graces)
            return
        try:
            request_stop(run)  # here, so that the state is "stopping" at once
            stop_in_background(run)
        except OSError as error:
            raise unstoppable(run, error) from error

    def tail(self, run: RunDir, lines: int) -> list[str]:
        """The last lines of the run's log."""
        return logs.tail(run, lines)

    def follow(self, run: RunDir, lines: int) -> Iterator[str]:
        """The last lines of the run's log, then what is added, in pieces, until it has ended."""
        return logs.follow(run, lines)
