"""Long commands as processes in the background, which any process can watch and stop.

    task = Task.of(runs, "convert", data)    # the conversion of this dataset
    task.start(data, "--splits", "val")      # arguments of `python -m cityseg convert`
    task.state()                             # a TaskState: phase, progress, last sentence
    task.stop()

A task outlives the browser's tab and the app. The same command on the same subject is the same
task, and runs once at a time. All of it is in its folder:

    RUNS/.tasks/<command>-<digits>/
        task.lock       locked by the process, for as long as it is alive
        process.json    the process
        progress.json   its progress
        stop.json       a stop was requested
        result.json     the exit status
        output.log      everything it printed
"""

import hashlib
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from cityseg.defaults import PROGRESS_VARIABLE, RUNS_VARIABLE
from cityseg.errors import EXIT_ALL, EXIT_SOME, RunError
from cityseg.system import (
    Count,
    FileModel,
    Lock,
    Process,
    check_regular,
    is_held,
    module_command,
    read_json,
    read_or_none,
    reap,
    spawn,
    write_json,
)

#: The folder of tasks, in the folder of runs.
TASKS: Final = ".tasks"
#: Tells a process which of its open descriptors holds the task's lock.
LOCK_VARIABLE: Final = "CITYSEG_TASK_LOCK"
#: How long an interrupted command may take to finish its present item, before it is killed.
GRACE_SECONDS: Final = 10.0

Command = Literal[
    "array",
    "audit",
    "convert",
    "evaluate",
    "evidence",
    "export",
    "import",
    "pairs",
    "predict",
    "sample",
]
Phase = Literal[
    "never", "queued", "running", "stopping", "done", "partly", "failed", "stopped", "died"
]

_PHASES: Final[dict[object, Phase]] = {EXIT_ALL: "done", EXIT_SOME: "partly"}
_LOG_BYTES: Final = 1 << 16
_POLL_SECONDS: Final = 0.1
#: Begins the sentence with which a command fails.
_PREFIX: Final = "cityseg: "


@dataclass(frozen=True, slots=True)
class TaskState:
    """What a task is doing, or how it ended.

    never       was not started yet
    queued      waits for its turn on a cluster
    running     `done` of `total` units, `rate` units a second; 0 and None while unknown
    stopping    was asked to stop
    done        did everything
    partly      skipped some items
    failed      did nothing
    stopped     was stopped; finished items are kept
    died        no process and no result: it was killed, or the machine went down

    `sentence` is the last one that the command printed, once it has ended. It may contain any text.
    """

    phase: Phase
    what: str = ""
    unit: str = ""
    done: int = 0
    total: int = 0
    rate: float | None = None
    sentence: str = ""

    @property
    def is_live(self) -> bool:
        """Whether there is a process, or will be one."""
        return self.phase in ("queued", "running", "stopping")

    @property
    def seconds_left(self) -> float | None:
        """At the present rate."""
        return (self.total - self.done) / self.rate if self.rate else None


class _Progress(FileModel):
    """The content of progress.json, as `task_progress` writes it."""

    what: str = ""
    unit: str = ""
    done: Count = 0
    total: Count = 0
    rate: Annotated[float, Field(ge=0)] | None = None


class _Result(FileModel):
    """The content of result.json."""

    status: int


@dataclass(frozen=True, slots=True)
class Task:
    """One task's folder."""

    folder: Path

    @classmethod
    def of(cls, runs: Path, command: Command, *subject: object) -> "Task":
        """The task of `command` on `subject`; `runs` is the folder of runs."""
        key = "\0".join(_argument(each) for each in subject)
        digits = hashlib.blake2b(os.fsencode(key), digest_size=6).hexdigest()
        return cls(runs.absolute() / TASKS / f"{command}-{digits}")

    @property
    def command(self) -> str:
        """The command's name."""
        return self.folder.name.rpartition("-")[0]

    @property
    def lock_file(self) -> Path:
        """Locked by the process for as long as it is alive."""
        return self.folder / "task.lock"

    @property
    def process_file(self) -> Path:
        """The process."""
        return self.folder / "process.json"

    @property
    def place_file(self) -> Path:
        """What a cluster was asked to run; none if it is a task of this machine."""
        return self.folder / "place.json"

    @property
    def progress_file(self) -> Path:
        """The progress."""
        return self.folder / "progress.json"

    @property
    def stop_file(self) -> Path:
        """A stop was requested."""
        return self.folder / "stop.json"

    @property
    def result_file(self) -> Path:
        """The exit status."""
        return self.folder / "result.json"

    @property
    def log_file(self) -> Path:
        """Everything it printed."""
        return self.folder / "output.log"

    def start(self, *arguments: object) -> bool:
        """Start the command with `arguments`; False if it runs already. Paths become absolute.

        Raises RunError if the folder cannot be written or no process can be started.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = Lock.take(self.lock_file, patience_seconds=0.2)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self.unwritable(error) from error
        with lock:
            try:
                process = self._begin(lock, [_argument(each) for each in arguments])
            except OSError as error:
                raise self.unwritable(error) from error
        reap(process)
        return True

    def _begin(self, lock: Lock, arguments: list[str]) -> "subprocess.Popen[bytes]":
        self.place_file.unlink(missing_ok=True)
        self.forget()
        options = (str(self.folder), self.command, *arguments)
        with self.log_file.open("wb") as log:
            return spawn(
                module_command("cityseg.cli.task", *options),
                stdout=log,
                stderr=log,
                environment={
                    PROGRESS_VARIABLE: str(self.progress_file),
                    # What belongs to no run lies in the folder of runs, which the app may be given.
                    RUNS_VARIABLE: str(self.folder.parents[1]),
                },
                descriptors={LOCK_VARIABLE: (lock.descriptor,)},
            )

    def forget(self) -> None:
        """Remove what the process of an earlier time has left, but for its output."""
        for file in (self.process_file, self.progress_file, self.stop_file, self.result_file):
            file.unlink(missing_ok=True)

    def unwritable(self, error: OSError) -> RunError:
        """The error for a folder that cannot be written."""
        return RunError(
            f"{self.command} cannot be started in {self.folder} ({error.strerror}): check "
            "permissions and free space, or choose another folder for runs"
        )

    def state(self) -> TaskState:
        """What it is doing now; raises RunError if its folder cannot be read."""
        if self._is_live():
            phase: Phase = "stopping" if self.stop_file.exists() else "running"
            progress = read_or_none(self.progress_file, _Progress) or _Progress()
            return TaskState(phase, **progress.model_dump())
        if not self.log_file.exists():
            return TaskState("never")
        result = read_or_none(self.result_file, _Result)
        phase = _PHASES.get(result and result.status, "failed")
        if not self.result_file.exists():
            phase = "died"
        if phase in ("failed", "died") and self.stop_file.exists():
            phase = "stopped"
        return TaskState(phase, sentence=self._last_sentence())

    def counts(self) -> tuple[int, int]:
        """Units done, and all of them, also once it has ended; 0 while unknown."""
        progress = read_or_none(self.progress_file, _Progress) or _Progress()
        return progress.done, progress.total

    def _is_live(self) -> bool:
        try:
            return is_held(self.lock_file)
        except OSError as error:
            raise RunError(
                f"{self.lock_file} cannot be read ({error.strerror}): check its permissions"
            ) from error

    def stop(self) -> None:
        """Interrupt it, and kill it if it has not ended after `GRACE_SECONDS`; returns at once.

        A second call kills it at once. Does nothing if it has ended.
        """
        if not self._is_live():
            return
        grace_seconds = 0.0 if self.stop_file.exists() else GRACE_SECONDS
        write_json(self.stop_file, {}, durable=False)
        threading.Thread(target=self._end, args=(grace_seconds,), daemon=True).start()

    def _end(self, grace_seconds: float) -> None:
        end = time.monotonic() + grace_seconds
        interrupted = None
        while self._is_live():
            process = Process.from_json(read_json(self.process_file))
            if process and time.monotonic() >= end:
                if process.is_alive():
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                return
            if process and not interrupted:
                process.send(signal.SIGINT)
                interrupted = process
            time.sleep(_POLL_SECONDS)

    def log(self, lines: int = 200) -> str:
        """The last lines it printed, from at most the last 64 kB."""
        try:
            check_regular(self.log_file)
            with self.log_file.open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - _LOG_BYTES, 0))
                content = file.read(_LOG_BYTES)
        except OSError:
            return ""
        return "\n".join(content.decode(errors="replace").splitlines()[-lines:])

    def _last_sentence(self) -> str:
        """The last sentence with which the command failed, else the last line of any kind."""
        lines = [line for line in self.log().splitlines() if line.strip()]
        own = [line.removeprefix(_PREFIX) for line in lines if line.startswith(_PREFIX)]
        return (own or lines or [""])[-1]


def _argument(value: object) -> str:
    return str(value.absolute() if isinstance(value, Path) else value)
