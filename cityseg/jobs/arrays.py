"""Arrays: the shards of one command as tasks, which are started, watched and stopped as one.

    array = ShardArray.of(runs, "convert", ["DATA"], 8)
    array.run(start_here, at_once=2)         # returns when all shards are done
    array.finish(status)                     # after the merge

The process that runs an array holds the lock of the array's own task. Each shard is a task as well,
so it outlives that process: the same array, run again, waits for shards that are at work, and
starts only those that are missing.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, get_args

from cityseg.errors import RunError
from cityseg.jobs.queue import DeviceQueue
from cityseg.jobs.tasks import TASKS, Task
from cityseg.system import FileModel, Lock, ProgressCallback, device_key, read_or_none, write_json

#: The commands that have shards.
ArrayCommand = Literal["convert", "predict", "evidence", "audit"]
ARRAY_COMMANDS: Final[tuple[ArrayCommand, ...]] = get_args(ArrayCommand)

_POLL_SECONDS: Final = 0.2
_KIND: Final = "array"

#: Starts the task of a shard with its arguments, at some place.
StartShard = Callable[[Task, Sequence[str]], object]


def start_here(task: Task, arguments: Sequence[str]) -> None:
    """Start the task of a shard as a process of this machine."""
    task.start(*arguments)


class _About(FileModel):
    """The content of array.json: the command, and the names of the tasks of its shards."""

    command: ArrayCommand
    arguments: list[str]
    tasks: list[str]


@dataclass(frozen=True, slots=True)
class ShardArray:
    """An array: its own task, and those of its shards in the order of their numbers."""

    task: Task
    shards: tuple[Task, ...]
    command: ArrayCommand
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, runs: Path, command: ArrayCommand, arguments: Sequence[str], count: int) -> Self:
        """The array of a command with these arguments, in this folder; `runs` is that of runs."""
        subject = (Path.cwd(), count, *arguments)  # paths among the arguments may be relative
        shards = tuple(Task.of(runs, command, number, *subject) for number in range(1, count + 1))
        return cls(Task.of(runs, _KIND, command, *subject), shards, command, tuple(arguments))

    @classmethod
    def open(cls, runs: Path, name: str) -> Self | None:
        """The array that was run under this name, such as array-0123456789ab, if there is one."""
        folder = runs.absolute() / TASKS / name
        about = read_or_none(folder / "array.json", _About) if _is_name(name) else None
        if about is None:
            return None
        shards = tuple(Task(folder.with_name(each)) for each in about.tasks)
        return cls(Task(folder), shards, about.command, tuple(about.arguments))

    @property
    def name(self) -> str:
        """What `jobs stop` calls it."""
        return self.task.folder.name

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from running it; raises RunError if one does, or it cannot be kept.

        Shards of an earlier time count as missing if they were merged.
        """
        folder = self.task.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = Lock.take(self.task.lock_file, patience_seconds=0.2)
        except BlockingIOError as error:
            raise RunError(
                f"{self.name} is run by another process: wait for it, or stop it with jobs stop "
                f"{self.name}"
            ) from error
        except OSError as error:
            raise RunError(
                f"The array cannot be kept in {folder} ({error.strerror}): check permissions and "
                "free space"
            ) from error
        with lock:
            if self.task.result_file.exists():
                self._forget_results()
            self.task.stop_file.unlink(missing_ok=True)
            names = [each.folder.name for each in self.shards]
            about = _About(command=self.command, arguments=list(self.arguments), tasks=names)
            write_json(folder / "array.json", about.model_dump(mode="json"))
            yield

    def run(
        self, start: StartShard, *, at_once: int, progress: ProgressCallback | None = None
    ) -> None:
        """Have the shards that are missing done, `at_once` at a time; for use while `held`.

        `progress` is called with (done, all) items of all shards, as far as they are known. Raises
        RunError if a shard fails: no more are started then, and those at work are finished. Raises
        KeyboardInterrupt after a stop was requested, or an interrupt, and all shards have ended.
        """
        try:
            self._run(start, at_once, progress)
        except KeyboardInterrupt:
            _stop(self.shards)
            raise
        for number, task in enumerate(self.shards, 1):
            if not is_done(task):
                raise RunError(
                    f"Shard {number}/{len(self.shards)} of {self.command} failed "
                    f"({task.state().sentence}): see {task.log_file}, and repeat the command, "
                    "which does only what is missing"
                )

    @contextmanager
    def device(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Take the device "auto", "cpu" or "cuda:N" of this machine, after trainings that wait.

        `on_wait` is called once if there are some. Raises RunError if the queue cannot be used, and
        KeyboardInterrupt after a stop was requested.
        """
        ticket = DeviceQueue.of(device_key(name)).join(self.name, at_once=False)
        try:
            if not ticket.try_start():
                on_wait()
            while not ticket.try_start():
                if self.task.stop_file.exists():
                    raise KeyboardInterrupt
                with suppress(OSError):
                    ticket.keep_fresh()
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            ticket.leave()

    def _run(self, start: StartShard, at_once: int, progress: ProgressCallback | None) -> None:
        of = len(self.shards)
        waiting = deque(
            (number, task) for number, task in enumerate(self.shards, 1) if not is_done(task)
        )
        live = {number: task for number, task in waiting if task.state().is_live}
        while waiting or live:
            if self.task.stop_file.exists():
                raise KeyboardInterrupt
            ended = [number for number, task in live.items() if not task.state().is_live]
            if any(not is_done(live.pop(number)) for number in ended):
                waiting.clear()  # the others would probably fail, too
            while waiting and len(live) < at_once:
                number, task = waiting.popleft()
                if number not in live:
                    start(task, [*self.arguments, "--shard", f"{number}/{of}"])
                    live[number] = task
            if progress:
                progress(*self._progress())
            time.sleep(_POLL_SECONDS if live else 0)

    def _progress(self) -> tuple[int, int]:
        """Items of all shards: those that have not begun are about as large as the others."""
        known = [counts for task in self.shards if (counts := task.counts())[1]]
        done, total = (sum(each) for each in zip(*known, strict=True)) if known else (0, 0)
        return done, round(total * len(self.shards) / max(len(known), 1))

    def finish(self, status: int) -> None:
        """Say how the merge has ended: after it, all shards count as missing again."""
        self._forget_results()
        write_json(self.task.result_file, {"status": status})

    def _forget_results(self) -> None:
        for task in self.shards:
            task.result_file.unlink(missing_ok=True)
            task.progress_file.unlink(missing_ok=True)
        self.task.result_file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop all shards that are at work, and the process that would start others; waits."""
        if self.task.state().is_live:
            write_json(self.task.stop_file, {}, durable=False)
            while self.task.state().is_live:
                time.sleep(_POLL_SECONDS)
        _stop(self.shards)


def is_done(task: Task) -> bool:
    """Whether the task of a shard has done its work."""
    return task.state().phase in ("done", "partly")


def _stop(tasks: Sequence[Task]) -> None:
    for task in tasks:
        task.stop()
    while any(task.state().is_live for task in tasks):
        try:
            time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:  # of a person who does not want to wait
            for task in tasks:
                task.stop()


def _is_name(name: str) -> bool:
    return name.startswith(f"{_KIND}-") and Path(name).name == name
