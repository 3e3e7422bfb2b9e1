"""Training as a job in the background.

    run = start(config)                 # a process that outlives the one that starts it
    start_group(name, configs)          # several, none of them twice
    state(run)                          # a JobState, correct whatever happened
    stop(run); resume(run)              # a checkpoint is saved; the same run continues from it
    tail(run); follow(run)              # its log
    list_runs()                         # a list of Entry, the newest first
    watch_runs(runs)                    # the same, for a look every few seconds
    unseen_notices(runs, watch_runs(runs))  # what has happened to them, until `mark_seen`

JobState has a phase, and the TrainingProgress of the run:

queued      waits for its device, at `position`
starting    loads, decodes frames or trains up to the first rows of this attempt
running     trains or validates
stopping    was asked to stop
done        trained to its end
stopped     was stopped; can be resumed
failed      ended early, with `reason`, `detail` and `hint`; can be resumed
lost        no process and no result (a power cut, all processes killed); can be resumed; its
            `reason` says whether it had begun

Jobs run on a Machine: THIS_MACHINE, a LocalMachine, or `machine_at("slurm")`, a PlacedMachine. The
machine that a run was submitted to is known from its folder.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cityseg.config import TrainConfig
from cityseg.defaults import default_runs
from cityseg.errors import RunError
from cityseg.jobs import listing
from cityseg.jobs.arrays import ARRAY_COMMANDS, ShardArray, unmerged_arrays
from cityseg.jobs.cluster_shards import WITH_NETWORK, Submission, submission_of
from cityseg.jobs.events import EventKind, live_events
from cityseg.jobs.groups import (
    MOST_RUNS,
    RunGroup,
    click_digits,
    combinations,
    forget_group,
    group_click,
    interrupted_groups,
    not_queued,
    variant_title,
    was_submitted,
    written_down,
)
from cityseg.jobs.listing import Entry, score_curve
from cityseg.jobs.local import LocalMachine
from cityseg.jobs.logs import LOG_FORMAT
from cityseg.jobs.machine import Machine
from cityseg.jobs.machines import THIS_MACHINE, machine_at, machine_of
from cityseg.jobs.notices import Notice, mark_seen, unseen_notices
from cityseg.jobs.notifying import start_notifier
from cityseg.jobs.placed import PlacedMachine
from cityseg.jobs.progress import TrainingProgress
from cityseg.jobs.queue import QUEUE_VARIABLE
from cityseg.jobs.shard_places import shard_place
from cityseg.jobs.state import LIVE_PHASES, UNSTARTED, JobState, Phase
from cityseg.jobs.stopping import Graces
from cityseg.jobs.task_progress import ProgressFile
from cityseg.jobs.tasks import Task, TaskState
from cityseg.jobs.tracking import (
    await_follower,
    find_tracked,
    start_follower,
    track,
    tracking_outcome,
)
from cityseg.jobs.usage import last_resources
from cityseg.runs import RunDir, check_state
from cityseg.system import Lock

__all__ = [
    "ARRAY_COMMANDS",
    "LIVE_PHASES",
    "LOG_FORMAT",
    "MOST_RUNS",
    "QUEUE_VARIABLE",
    "THIS_MACHINE",
    "UNSTARTED",
    "WITH_NETWORK",
    "Entry",
    "EventKind",
    "Graces",
    "JobState",
    "LocalMachine",
    "Machine",
    "Notice",
    "Phase",
    "PlacedMachine",
    "ProgressFile",
    "RunGroup",
    "ShardArray",
    "Submission",
    "Task",
    "TaskState",
    "TrainingProgress",
    "await_follower",
    "combinations",
    "find_tracked",
    "follow",
    "forget_group",
    "interrupted_groups",
    "last_resources",
    "list_runs",
    "live_events",
    "machine_at",
    "mark_seen",
    "not_queued",
    "resume",
    "score_curve",
    "shard_place",
    "start",
    "start_follower",
    "start_group",
    "start_notifier",
    "state",
    "stop",
    "submission_of",
    "tail",
    "track",
    "tracking_outcome",
    "unmerged_arrays",
    "unseen_notices",
    "variant_title",
    "watch_runs",
]


def start(
    config: TrainConfig,
    runs: Path | None = None,
    *,
    now: bool = False,
    click: str | None = None,
    tags: Sequence[str] = (),
    machine: Machine = THIS_MACHINE,
) -> RunDir:
    """Train `config` as a new run below `runs` (default: `default_runs()`), in the background.

    Returns once it is queued: the run waits for its device behind those that were started before,
    unless `now`. Starts with the same `click`, any text, and the same settings count as one: the
    run of the first is returned. `tags` are those of the new run. Raises RunError if the run cannot
    be created or started, and whatever can be found before that would end its training: no run is
    created then.
    """
    runs = runs or default_runs()
    machine.check(config, config.store or runs / ".store")
    if click is None:
        run, lock = RunDir.create_locked(runs, config, secrets.token_hex(4), tags)
    else:
        run, held = _run_of_click(click, config, runs, tags)
        if held is None:
            return run
        lock = held
    with lock:
        check_state(run)
        with run.unchanged_after_error():
            run.begin_attempt()
            machine.submit(run, lock, now=now)
    return run


def start_group(
    name: str,
    configs: Sequence[TrainConfig],
    runs: Path | None = None,
    *,
    now: bool = False,
    machine: Machine = THIS_MACHINE,
) -> list[RunDir]:
    """Start a run for each of `configs`, all tagged with `name`; returns those that are new.

    Settings of which the group has a run already, archived or not, start none. Raises what `start`
    raises: before the first run if that can be found, and otherwise after those before the failing
    one. `interrupted_groups` lists the group then, as it does if this process dies.
    """
    runs = runs or default_runs()
    group = RunGroup(name, tuple(configs))
    for config in not_queued(group, runs):
        machine.check(config, config.store or runs / ".store")
    with written_down(group, runs):
        click = group_click(name)
        return [
            start(config, runs, now=now, click=click, tags=[name], machine=machine)
            for config in not_queued(group, runs)
        ]


def _run_of_click(
    click: str, config: TrainConfig, runs: Path, tags: Sequence[str]
) -> tuple[RunDir, Lock | None]:
    """The run that a click starts, and its lock if it still has to be submitted.

    A form may be submitted twice. The id of the run ends with a digest of the click, so the second
    one finds the run of the first.
    """
    digits = click_digits(click, config)
    try:
        runs.mkdir(parents=True, exist_ok=True)
        clicks = Lock.take(runs / ".start.lock", patience_seconds=10)
    except OSError as error:
        raise RunError(
            f"{runs} cannot be written ({error.strerror}): check its permissions and the disk"
        ) from error
    with clicks:
        for path in runs.glob(f"[!.]*-{digits}"):
            run = RunDir(path)
            return run, None if was_submitted(run) else run.locked()
        return RunDir.create_locked(runs, config, digits, tags)


def resume(
    run: RunDir,
    changes: Mapping[str, Any] = MappingProxyType({}),
    *,
    now: bool = False,
    machine: Machine | None = None,
) -> bool:
    """Continue `run` from its last good checkpoint, as `start` does; False if it is done.

    It continues where it ran before, unless another `machine` is named. `changes` are values of
    some of `config.RESUME_SETTINGS`: paths and device of this machine, or more epochs. A run that
    is done and gets no more epochs is left as it is. Raises RunError if it is in use or no run,
    CheckpointError if it has results but no state to continue from, and whatever can be found
    before that would end its training; no file of it is changed then.
    """
    from cityseg.runs.resuming import resumed_config, why_done  # loads image libraries

    run = RunDir.open(run.path)
    if why_done(run, changes):
        return False
    config = resumed_config(run, changes)
    if run.place_file.exists() and (current := state(run)).is_live:
        raise RunError(f"{run.path} is in use ({current.text}): stop it first")
    machine = machine or _machine_of(run)
    machine.check_resume(run, config)
    with run.locked() as lock:
        if why_done(run, changes):
            return False
        with run.unchanged_after_error():
            run.begin_attempt(config)
            machine.submit(run, lock, now=now)
    return True


def state(run: RunDir, machine: Machine | None = None) -> JobState:
    """What `run` is doing now; raises ConfigError or RunError if its folder is not readable."""
    return (machine or _machine_of(run)).state(run)


def stop(run: RunDir, *, wait: bool = True, machine: Machine | None = None) -> None:
    """End the job of `run`: ask it to stop, which saves a checkpoint, then terminate, then kill.

    Returns when none of its processes is alive; with `wait` false at once, while a process in the
    background does the work. A run that has ended stays as it is. Raises RunError if a process
    cannot be ended.
    """
    (machine or _machine_of(run)).stop(run, wait=wait)


def tail(run: RunDir, lines: int = 200, machine: Machine | None = None) -> list[str]:
    """The last lines of the log of `run`, in bounded time and memory whatever its size."""
    return (machine or _machine_of(run)).tail(run, lines)


def follow(run: RunDir, lines: int = 10, machine: Machine | None = None) -> Iterator[str]:
    """The last lines of the log of `run`, then what is added, in pieces, until it has ended."""
    return (machine or _machine_of(run)).follow(run, lines)


def _machine_of(run: RunDir) -> Machine:
    try:
        return machine_of(run)
    except OSError as error:
        raise RunError(
            f"{run.path} cannot be read ({error.strerror}): check its permissions and the disk"
        ) from error


def list_runs(runs: Path | None = None, machine: Machine | None = None) -> list[Entry]:
    """The runs in the folder `runs` (default: `default_runs()`), the newest first.

    A folder that is no run, or a broken one, has a `problem` in place of a state. Raises RunError
    if `runs` itself cannot be listed; a folder that does not exist has no runs.
    """
    return listing.list_runs(runs or default_runs(), machine)


def watch_runs(runs: Path, machine: Machine | None = None) -> list[Entry]:
    """Like `list_runs`, for a look every few seconds: only what has changed is read again.

    A file that somebody has edited in place counts as unchanged.
    """
    return listing.watch_runs(runs, machine)
