"""Arrays: the shards of one command as tasks, which are started, watched and stopped as one.

    array = ShardArray.of(runs, "convert", ["DATA"], 8, shard_place("slurm"))
    array.run(at_once=2)                     # returns when all shards are done
    array.finish(status)                     # after the merge

The process that runs an array holds the lock of the array's own task. Each shard is a task as well,
so it outlives that process: the same array, run again, waits for shards that are at work, and
starts only those that are missing.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, get_args

from cityseg.errors import PlaceError, RunError
from cityseg.jobs.cluster_shards import Shard
from cityseg.jobs.queue import DeviceQueue
from cityseg.jobs.shard_places import THIS_PLACE, ShardPlace, shard_place
from cityseg.jobs.tasks import TASKS, Phase, Task, TaskState
from cityseg.places import LOCAL
from cityseg.system import FileModel, Lock, ProgressCallback, device_key, read_or_none, write_json

#: The commands that have shards.
ArrayCommand = Literal["convert", "predict", "evidence", "audit"]
ARRAY_COMMANDS: Final[tuple[ArrayCommand, ...]] = get_args(ArrayCommand)

_POLL_SECONDS: Final = 0.2
#: What became of a shard that said nothing.
_WITHOUT_SENTENCE: Final[Mapping[Phase, str]] = {
    "died": "it was killed, or its machine went down",
    "stopped": "it was stopped",
    "never": "it was not started",
}
_KIND: Final = "array"
_ABOUT: Final = "array.json"
#: The phases of a shard that has done its work.
_DONE: Final = frozenset({"done", "partly"})
#: How long a cluster may take to end a job.
_END_SECONDS: Final = 120.0


class _About(FileModel):
    """The content of `_ABOUT`: the command, the tasks of its shards, and where they are done."""

    command: ArrayCommand
    arguments: list[str]
    tasks: list[str]
    place: str = LOCAL


@dataclass(frozen=True, slots=True)
class ShardArray:
    """An array: its own task, and those of its shards in the order of their numbers."""

    task: Task
    shards: tuple[Task, ...]
    command: ArrayCommand
    arguments: tuple[str, ...]
    place: ShardPlace = THIS_PLACE

    @classmethod
    def of(
        cls,
        runs: Path,
        command: ArrayCommand,
        arguments: Sequence[str],
        count: int,
        place: ShardPlace = THIS_PLACE,
    ) -> Self:
        """The array of a command with these arguments, in this folder; `runs` is that of runs."""
        subject = (Path.cwd(), count, *arguments)  # paths among the arguments may be relative
        shards = tuple(Task.of(runs, command, number, *subject) for number in range(1, count + 1))
        return cls(
            Task.of(runs, _KIND, command, *subject), shards, command, tuple(arguments), place
        )

    @classmethod
    def open(cls, runs: Path, name: str) -> Self | None:
        """The array that was run under this name, such as array-0123456789ab, if there is one.

        Raises ConfigError if its place is not configured any more.
        """
        folder = runs.absolute() / TASKS / name
        about = read_or_none(folder / _ABOUT, _About) if _is_name(name) else None
        if about is None:
            return None
        shards = tuple(Task(folder.with_name(each)) for each in about.tasks)
        place = shard_place(about.place)
        return cls(Task(folder), shards, about.command, tuple(about.arguments), place)

    @property
    def name(self) -> str:
        """What `jobs stop` calls it."""
        return self.task.folder.name

    def state(self) -> TaskState:
        """What it is doing, in shards; raises PlaceError if its cluster cannot be asked."""
        states = [self._state(number) for number in self._numbers]
        phases = {each.phase for each in (self.task.state(), *states)}
        order: Sequence[Phase] = ("stopping", "running", "queued", "failed", "died", "stopped")
        phase = next((each for each in order if each in phases), order[-1])
        done = sum(each.phase in _DONE for each in states)
        return TaskState(phase, self.command, "shard", done, len(states))

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
            about = _About(
                command=self.command,
                arguments=list(self.arguments),
                tasks=names,
                place=self.place.name,
            )
            write_json(folder / _ABOUT, about.model_dump(mode="json"))
            yield

    def run(
        self,
        *,
        at_once: int,
        progress: ProgressCallback | None = None,
        on_problem: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Have the shards that are missing done, `at_once` at a time; for use while `held`.

        `progress` is called with (done, all) items of all shards, as far as they are known, and
        `on_problem` with why a cluster cannot be asked for the time being. Raises RunError if a
        shard fails: no more are started then, and those at work are finished; PlaceError if a shard
        is refused: those that were started before are at work. Raises KeyboardInterrupt after a
        stop was requested, or an interrupt, and all shards have ended.
        """
        try:
            self._run(at_once, progress, on_problem)
        except KeyboardInterrupt:
            self._stop()
            raise
        self._check_all_done()

    def _check_all_done(self) -> None:
        """Raise RunError for the first shard that failed, or else the first that has no result."""
        missing = {n: state for n in self._numbers if (state := self._state(n)).phase not in _DONE}
        # Others were not begun, or were withdrawn, because of one that failed.
        first = [n for n, state in missing.items() if state.phase not in ("never", "stopped")]
        for number in (first or list(missing))[:1]:
            task = self._task(number)
            self.place.settle(task)
            state = missing[number]
            why = state.sentence or _WITHOUT_SENTENCE.get(state.phase, "no result")
            raise RunError(
                f"Shard {number}/{len(self.shards)} of {self.command} failed ({why}): see "
                f"{task.log_file}, and repeat the command, which does only what is missing"
            )

    @property
    def _numbers(self) -> range:
        return range(1, len(self.shards) + 1)

    def _task(self, number: int) -> Task:
        return self.shards[number - 1]

    def _state(self, number: int) -> TaskState:
        return self.place.state(self._task(number))

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

    def _run(
        self, at_once: int, progress: ProgressCallback | None, on_problem: Callable[[str], None]
    ) -> None:
        waiting = deque(n for n in self._numbers if self._state(n).phase not in _DONE)
        live = {number for number in waiting if self._state(number).is_live}
        most = len(self.shards) if self.place.has_queue else at_once
        problem = ""
        while waiting or live:
            if self.task.stop_file.exists():
                raise KeyboardInterrupt
            try:
                self._remove_ended(waiting, live)
                problem = ""
            except PlaceError as error:  # shards are at work, and the cluster may answer soon
                if str(error) != problem:
                    on_problem(problem := str(error))
            self._start(waiting, live, most, at_once)
            if progress:
                progress(*self._progress())
            time.sleep(self.place.poll_seconds if live else 0)

    def _remove_ended(self, waiting: deque[int], live: set[int]) -> None:
        """Remove shards that have ended from `live`, and all that wait if one has failed."""
        states = {number: self._state(number) for number in live}
        ended = {number for number, state in states.items() if not state.is_live}
        live -= ended
        if any(states[number].phase not in _DONE for number in ended):
            waiting.clear()  # they would probably fail, too
            self.place.stop([self._task(n) for n in live if states[n].phase == "queued"])

    def _start(self, waiting: deque[int], live: set[int], most: int, at_once: int) -> None:
        """Start shards until `most` are live."""
        shards: list[Shard] = []
        while waiting and len(live) < most:
            number = waiting.popleft()
            if number not in live:
                live.add(number)
                arguments = [*self.arguments, "--shard", f"{number}/{len(self.shards)}"]
                shards.append((self._task(number), arguments))
        if shards:
            self.place.start(self.task, shards, at_once)

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
            for file in (task.place_file, task.progress_file, task.result_file):
                file.unlink(missing_ok=True)
        self.task.result_file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop all shards that are at work, and the process that would start others; waits."""
        if self.task.state().is_live:
            write_json(self.task.stop_file, {}, durable=False)
            while self.task.state().is_live:
                time.sleep(_POLL_SECONDS)
        self._stop()

    def _stop(self) -> None:
        """Stop all shards; raises RunError if a cluster does not end them."""
        self.place.stop(self.shards)
        if self._end_within(self.place.grace_seconds):
            return
        self.place.stop(self.shards)
        if not self._end_within(_END_SECONDS):
            raise RunError(
                f"Shards of {self.name} could not be stopped: {self.place.name} does not end their "
                "jobs; end them there by hand"
            )

    def _end_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while any(self._state(number).is_live for number in self._numbers):
            try:
                if time.monotonic() > end:
                    return False
                time.sleep(self.place.poll_seconds)
            except KeyboardInterrupt:  # of a person who does not want to wait
                self.place.stop(self.shards)
        return True


def unmerged_arrays(runs: Path) -> list[str]:
    """The names of the arrays that have not come to their end, the newest first."""
    found: dict[str, float] = {}
    for file in (runs.absolute() / TASKS).glob(f"{_KIND}-*/{_ABOUT}"):
        with suppress(OSError):  # it may be removed meanwhile
            if not Task(file.parent).result_file.exists():
                found[file.parent.name] = file.stat().st_mtime
    return sorted(found, key=found.__getitem__, reverse=True)


def _is_name(name: str) -> bool:
    return name.startswith(f"{_KIND}-") and Path(name).name == name
