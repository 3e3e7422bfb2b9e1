"""Runs on a cluster: an engine of `places` starts them, and their folders say how they are.

A run's lock, rows and summary are looked at first. The engine is asked only about what it alone
knows: whether a run without a lock waits, begins, or has ended without leaving a word.
"""

import dataclasses
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from cityseg.config import TrainConfig
from cityseg.errors import PlaceError, RunError
from cityseg.jobs import logs
from cityseg.jobs.file_cache import cached
from cityseg.jobs.local import LocalMachine
from cityseg.jobs.state import JobState, state_of
from cityseg.jobs.stopping import Graces, stop_in_background, unstoppable
from cityseg.places import Engine, Report, Reports, Work, check_shared
from cityseg.runs import RESUME_HINT, MetricRow, RunDir
from cityseg.system import FileModel, Lock, module_command, read_json, read_or_none, write_json

_POLL_SECONDS: Final = 0.5
#: A stop is seen on the node within seconds, and a cluster takes its time to end processes.
_GRACES: Final = Graces(ask=60.0, terminate=60.0, kill=30.0)
#: Hints for the reasons of engines.
_HINTS: Final = {
    "out_of_memory": "ask for more memory in places.toml, or choose a smaller batch_size, crop, "
    "size or width; then resume it",
    "time_limit": f"ask for more hours in places.toml and {RESUME_HINT}",
    "not_started": "have the head of Ray started with a larger RAY_JOB_START_TIMEOUT_SECONDS, and "
    "resume it",
    "error": "see run.log and the log of the job beside the run's other files, check that its "
    "machines see the run's folder under the same path, and resume it",
}


class Placement(FileModel):
    """The content of job/place.json: where a run was submitted to, and as which job."""

    place: str = Field(min_length=1)
    job: str = Field(min_length=1)
    #: The job has it in its command: one that was submitted before another one trains nothing.
    token: str = Field(min_length=1)


def placement_of(run: RunDir) -> Placement | None:
    """Where `run` was submitted to; None if it is a run of this machine. Raises OSError."""
    return cached(run.place_file, lambda path: read_or_none(path, Placement))


@dataclass(frozen=True, eq=False)
class PlacedMachine:
    """Runs jobs on a cluster. The folder of runs lies on a path that its machines share.

    `trainer` is the command that trains there; the run's folder is its last argument. `checks_data`
    is false for one that needs no dataset.
    """

    engine: Engine
    trainer: Sequence[str] = tuple(module_command("cityseg.train", "--run"))
    graces: Graces = _GRACES
    checks_data: bool = True
    _reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        """Ask the engine of all runs at once."""
        object.__setattr__(self, "_reports", Reports(self.engine))

    def check(self, config: TrainConfig, stores: Path) -> None:
        """Raise CitysegError for what would end a new training of `config` before its first step.

        `stores` is the folder of its frame stores. Creates nothing.
        """
        self.engine.check()
        LocalMachine(checks_data=self.checks_data).check(_without_device(config), stores)

    def check_resume(self, run: RunDir, config: TrainConfig) -> None:
        """Raise CitysegError for what would end `run`, resumed with `config`, before a step."""
        self.engine.check()
        LocalMachine(checks_data=self.checks_data).check_resume(run, _without_device(config))

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        """Submit the run, which begins when the cluster has room. Its lock is taken there."""
        if now:
            raise RunError(f"{self.engine.name} decides when a run begins: start it without now")
        path = run.path.absolute()
        _log(run, check_shared(path.parent))
        token = secrets.token_hex(8)
        options = ("--run", str(path), "--place", self.engine.name, "--token", token, "--")
        command = tuple(module_command("cityseg.jobs.attend", *options, *self.trainer))
        work = Work(run.id, command, path / "job", run.config().devices)
        job = self.engine.submit(work)
        placed = Placement(place=self.engine.name, job=job, token=token)
        try:
            write_json(run.place_file, placed.model_dump())
        except OSError as error:
            self.engine.cancel(job)
            raise RunError(
                f"{run.path} cannot be written ({error.strerror}): check permissions and free space"
            ) from error
        finally:
            self._reports.forget()

    def state(self, run: RunDir) -> JobState:
        """What the run is doing; raises ConfigError or RunError if its folder is not readable."""
        found = state_of(run)
        if found.is_live or _is_settled(run, found):
            return found
        try:
            report = self._report(run)
        except PlaceError as error:
            return _unreachable(state_of(run), self.engine.name, str(error))
        # Once more: it may have begun, and even ended, since it was looked at first.
        found = state_of(run)
        if found.is_live or _is_settled(run, found):
            return found
        return _reported(found, report, self.engine.name, is_asked=run.stop_file.exists())

    def _report(self, run: RunDir, *, fresh: bool = False) -> Report | None:
        placed = placement_of(run)
        return self._reports.of(placed.job, fresh=fresh) if placed else None

    def stop(self, run: RunDir, *, wait: bool) -> None:
        """End the run's job; without `wait` a process in the background does it.

        What the engine says of the end of a run that left no summary is kept in its folder.
        """
        try:
            if self.state(run).is_live:  # "stopping" from here on
                write_json(run.stop_file, {}, durable=False)
            if not wait:
                stop_in_background(run)
                return
            wait_seconds = self.graces.ask + self.graces.terminate + self.graces.kill
            with Lock.take(run.job / "stop.lock", wait_seconds):
                self._end(run)
                self._settle(run)
        except OSError as error:
            raise unstoppable(run, error) from error

    def _end(self, run: RunDir) -> None:
        """Cancel a job that waits; let one that runs save its state, then end it."""
        placed = placement_of(run)
        if placed is None or self._has_ended(run):
            return
        report = self._report(run, fresh=True)
        if report and report.stage == "waiting":
            self.engine.cancel(placed.job)
            report = self._report(run, fresh=True)
            if report and report.stage == "waiting":
                return  # Ray keeps it in the queue; it finds the request in its turn, and ends
        if self._ends_within(run, self.graces.ask):
            return
        self.engine.cancel(placed.job)
        if not self._ends_within(run, self.graces.terminate + self.graces.kill):
            raise RunError(
                f"{run.path} could not be stopped: {self.engine.name} does not end its job "
                f"{placed.job}; end it there by hand"
            )

    def _ends_within(self, run: RunDir, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self._has_ended(run):
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _has_ended(self, run: RunDir) -> bool:
        if run.is_locked():
            return False
        report = self._report(run, fresh=True)
        return report is None or report.stage == "ended"

    def _settle(self, run: RunDir) -> None:
        """Write how a run ended into its folder: clusters forget their jobs."""
        if not run.is_awaited() and not run.stop_file.exists():
            return
        found = self.state(run)
        summary: MetricRow = {"status": "stopped"}
        if found.phase in ("failed", "lost") and not run.stop_file.exists():
            names = ("reason", "detail", "hint")
            summary = {"status": "failed", **{name: getattr(found, name) for name in names}}
        with run.locked():
            if not run.summary_file.exists():
                run.write_summary(summary)

    def tail(self, run: RunDir, lines: int) -> list[str]:
        """The last lines of the run's log, and of its job's until the run writes its own."""
        found = logs.tail(run, lines)
        return found if run.supervisor_file.exists() else [*found, *self._output(run)][-lines:]

    def follow(self, run: RunDir, lines: int) -> Iterator[str]:
        """The last lines of the run's log, then what is added, in pieces, until it has ended."""
        yield from logs.follow(run, lines, lambda: self.state(run).is_live)
        if not run.supervisor_file.exists():
            yield "".join(f"{line}\n" for line in self._output(run))

    def _output(self, run: RunDir) -> list[str]:
        placed = placement_of(run)
        return self.engine.output(placed.job, run.job).splitlines() if placed else []


def _log(run: RunDir, sentence: str) -> None:
    """Add a line to the run's log, in which nothing of the new attempt stands yet."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with run.log_file.open("a", encoding="utf-8") as log:
        log.write(f"{stamp} {sentence}\n")


def _without_device(config: TrainConfig) -> TrainConfig:
    """The settings to check here: the device that they name is one of another machine."""
    return config.model_copy(update={"device": "auto"})


def _is_settled(run: RunDir, found: JobState) -> bool:
    """Whether the folder alone says how a run without a lock has ended.

    A trainer that was stopped without a request was interrupted by the cluster, which may run it
    again.
    """
    status = read_json(run.summary_file).get("status")
    return status in ("done", "failed") or (status == "stopped" and run.stop_file.exists())


def _reported(found: JobState, report: Report | None, place: str, *, is_asked: bool) -> JobState:
    """`found` without a process or a final summary, with what the engine says of its job."""
    if report is None:
        detail = f"It has left no result, and {place} knows nothing of its job"
        return found if found.phase == "stopped" else _lost(found, detail)
    if report.stage != "ended":
        waits = report.stage == "waiting"
        return _live(
            found,
            phase="stopping" if is_asked else "queued" if waits else "starting",
            stage="" if waits else "starting",
            devices=(place,),
            position=report.position,
            detail=report.detail if waits else "",
        )
    # An interrupted training exits with an error, so that the engine runs it again if it may.
    if found.phase == "stopped" and report.reason in ("", "error"):
        return found
    if report.reason == "cancelled":
        return dataclasses.replace(found, phase="stopped", reason="", detail="", hint="")
    detail = report.detail or f"Its job on {place} has ended and left no result"
    reason = report.reason or "error"
    return dataclasses.replace(
        found,
        phase="failed",
        reason=reason,
        detail=f"{detail} ({place}: {report.word})",
        hint=_HINTS.get(reason, RESUME_HINT),
    )


def _live(found: JobState, **values: Any) -> JobState:
    return dataclasses.replace(found, **{"reason": "", "hint": "", **values})


def _lost(found: JobState, detail: str) -> JobState:
    return dataclasses.replace(found, phase="lost", reason="lost", detail=detail, hint=RESUME_HINT)


def _unreachable(found: JobState, place: str, problem: str) -> JobState:
    """`found`, where what the engine knows of it cannot be known."""
    if found.is_live or found.phase in ("done", "failed"):
        return found
    return _lost(found, f"Whether it waits or has ended is not known. {problem}")
