"""Where the shards of an array are done: this machine, or a cluster."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cityseg.jobs.cluster_shards import ClusterShards, Shard
from cityseg.jobs.tasks import Task, TaskState
from cityseg.places import LOCAL, engine_at


class ShardPlace(Protocol):
    """Where shards are done: `THIS_PLACE` or a `ClusterShards`."""

    @property
    def name(self) -> str:
        """The name of the place, such as "local"."""
        ...

    @property
    def has_queue(self) -> bool:
        """Whether it keeps to `at_once` of `start` by itself."""
        ...

    @property
    def grace_seconds(self) -> float:
        """How long after a stop was requested it has to be requested again."""
        ...

    @property
    def poll_seconds(self) -> float:
        """How often it is asked."""
        ...

    def check(self) -> None:
        """Raise PlaceError for what keeps `start` from working that can be found before."""

    def start(self, array: Task, shards: Sequence[Shard], at_once: int) -> None:
        """Start shards of `array`, or queue them; raises CitysegError if one cannot be started."""

    def state(self, task: Task) -> TaskState:
        """What a shard is doing, or how it ended; raises PlaceError if that cannot be known now."""
        ...

    def stop(self, tasks: Sequence[Task]) -> None:
        """Ask shards to stop, a second time to end at once; returns before they have ended."""

    def settle(self, task: Task) -> None:
        """Keep what the place knows of a shard that left no result."""


@dataclass(frozen=True, slots=True)
class _ThisPlace:
    """This machine."""

    name: str = LOCAL
    has_queue: bool = False
    grace_seconds: float = math.inf  # a task kills its process by itself
    poll_seconds: float = 0.2

    def check(self) -> None:
        pass

    def start(self, array: Task, shards: Sequence[Shard], at_once: int) -> None:
        for task, arguments in shards:
            task.start(*arguments)

    def state(self, task: Task) -> TaskState:
        return task.state()

    def stop(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            task.stop()

    def settle(self, task: Task) -> None:
        pass


THIS_PLACE: Final[ShardPlace] = _ThisPlace()


def shard_place(name: str) -> ShardPlace:
    """The place called `name`; raises ConfigError if it is not configured."""
    return THIS_PLACE if name == LOCAL else ClusterShards(engine_at(name))
