"""Shards on a cluster: tasks whose processes an engine of `places` starts.

A task's lock and result say how it is, as on this machine. The engine is asked about tasks that
have neither: whether they wait, begin, or have ended without a result.
"""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field

from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import PlaceError, RunError
from cityseg.jobs.tasks import Task, TaskState
from cityseg.places import Engine, Report, Reports, Work, check_shared
from cityseg.system import FileModel, module_command, read_or_none, write_json

#: A task of a shard, and the arguments of its command.
Shard = tuple[Task, Sequence[str]]

#: Shards of these use a device.
WITH_NETWORK: Final = ("predict", "evidence")
#: The variables that say what a command without options works on: not all engines pass them on.
_VARIABLES: Final = (DATASET_VARIABLE,)


class Submission(FileModel):
    """The content of a task's place.json: what a cluster was asked to run."""

    place: str = Field(min_length=1)
    #: Empty until the cluster has answered.
    job: str
    #: The job has it in its command: one that was submitted before another one does nothing.
    token: str = Field(min_length=1)
    #: Has the files of the engine.
    folder: str
    #: Where the command runs, and with which variables.
    working_folder: str
    variables: dict[str, str]
    arguments: list[str]


def submission_of(task: Task) -> Submission | None:
    """What a cluster was asked to run as `task`; None if it is a task of this machine."""
    return read_or_none(task.place_file, Submission)


@dataclass(frozen=True, eq=False)
class ClusterShards:
    """Runs shards on a cluster. The folder of runs lies on a path that its machines share."""

    engine: Engine
    #: How long a shard that was asked to stop may take to finish its present item.
    grace_seconds: float = 60.0
    poll_seconds: float = 1.0
    _reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        """Ask the engine of all shards at once."""
        object.__setattr__(self, "_reports", Reports(self.engine))

    @property
    def name(self) -> str:
        """The name of the place: "slurm" or "ray"."""
        return self.engine.name

    @property
    def has_queue(self) -> bool:
        """Whether it keeps to `at_once` of `start` by itself."""
        return self.engine.has_arrays

    def check(self) -> None:
        """Raise PlaceError if the cluster cannot be reached."""
        self.engine.check()

    def start(self, array: Task, shards: Sequence[Shard], at_once: int) -> None:
        """Submit shards of `array`, `at_once` of which may work at the same time.

        Raises PlaceError if the cluster refuses one, and RunError if its folder cannot be written.
        """
        about = f"For {self.name}. {check_shared(array.folder)}\n"
        submissions = [self._written(array, *shard, about) for shard in shards]
        works = [
            Work(task.folder.name, _command(task, submission), array.folder, _devices(task))
            for (task, _), submission in zip(shards, submissions, strict=True)
        ]
        try:
            # One by one: what an engine without arrays has taken is known if it refuses the next.
            jobs = self.engine.submit_array(array.folder.name, works, at_once)
            for (task, _), submission, job in zip(shards, submissions, jobs, strict=True):
                _write(task, submission.model_copy(update={"job": job}))
        finally:
            self._reports.forget()

    def _written(self, array: Task, task: Task, arguments: Sequence[str], about: str) -> Submission:
        """What is to be submitted, in the folder of the task, whose output begins with `about`."""
        if not all(_is_utf8(each) for each in arguments):
            raise RunError(
                f"{self.name} takes names in UTF-8 only: rename what the arguments name, or run "
                "the shards on this machine"
            )
        found = Submission(
            place=self.name,
            job="",
            token=secrets.token_hex(8),
            folder=str(array.folder),
            working_folder=str(Path.cwd()),
            variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
            arguments=list(arguments),
        )
        try:
            task.folder.mkdir(parents=True, exist_ok=True)
            task.forget()
            task.log_file.write_text(about, encoding="utf-8")
        except OSError as error:
            raise task.unwritable(error) from error
        _write(task, found)
        return found

    def state(self, task: Task) -> TaskState:
        """What a task is doing, or how it ended; raises PlaceError if only the cluster knows it."""
        found, submission = task.state(), submission_of(task)
        if submission is None or found.is_live or task.result_file.exists():
            return found
        report = self._report(submission)
        with suppress(OSError):  # NFS may know for a minute that there was no result
            os.listdir(task.folder)
        # Once more: it may have begun, and even ended, since it was looked at first.
        found = task.state()
        if found.is_live or task.result_file.exists():
            return found
        return _reported(report, self.name, is_asked=task.stop_file.exists())

    def _report(self, submission: Submission) -> Report | None:
        is_known = submission.job and submission.place == self.name
        return self._reports.of(submission.job) if is_known else None

    def stop(self, tasks: Sequence[Task]) -> None:
        """Ask tasks to stop, and withdraw those that wait; a second call ends their jobs.

        Returns at once. Raises PlaceError if the cluster cannot be asked: tasks at work stop then.
        """
        jobs: list[str] = []
        problem: PlaceError | None = None
        for task in tasks:
            was_asked, submission = task.stop_file.exists(), submission_of(task)
            try:
                state = self.state(task)
            except PlaceError as error:
                problem = error
            else:
                if not state.is_live:
                    continue
                if submission and submission.job and (was_asked or state.phase == "queued"):
                    jobs.append(submission.job)
            if submission:
                write_json(task.stop_file, {}, durable=False)
            else:
                task.stop()
        if jobs:
            self.engine.cancel(*jobs)
            self._reports.forget()
        if problem:
            raise problem

    def settle(self, task: Task) -> None:
        """Add what a job wrote that left no result to the output of its task."""
        submission = submission_of(task)
        if submission is None or not submission.job or task.result_file.exists():
            return
        output = self.engine.output(submission.job, Path(submission.folder))
        with suppress(OSError), task.log_file.open("a", encoding="utf-8") as log:
            log.write(output)


def _command(task: Task, submission: Submission) -> tuple[str, ...]:
    options = (str(task.folder), submission.token)
    return tuple(module_command("cityseg.cli.cluster_task", *options))


def _devices(task: Task) -> int:
    return int(task.command in WITH_NETWORK)


def _write(task: Task, submission: Submission) -> None:
    try:
        write_json(task.place_file, submission.model_dump())
    except OSError as error:
        raise task.unwritable(error) from error


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _reported(report: Report | None, place: str, *, is_asked: bool) -> TaskState:
    """The state of a task without a process and a result, by what the engine says of its job."""
    if report is None:
        return TaskState("died", sentence=f"{place} knows nothing of its job")
    if report.stage == "running":
        return TaskState("stopping" if is_asked else "running")
    if report.stage == "waiting":
        # Ray keeps a job that was withdrawn: it finds the request in its turn, and ends.
        return TaskState("stopped" if is_asked else "queued", sentence=report.detail)
    detail = report.detail or "Its job has ended and left no result"
    is_stopped = is_asked or report.reason == "cancelled"
    sentence = f"{detail} ({place}: {report.word})"
    return TaskState("stopped" if is_stopped else "failed", sentence=sentence)
