"""Shards: the same command in several processes, on several machines, each with a part of the work.

The rule is here alone: of n shards, shard i (1 … n) has every n-th item from the i-th on, in the
order of the items' names. So the shards are disjoint and complete, about equal in size, and the
same in every process, in whatever order it lists the items.

What a shard has done lies in a folder of its own until `--merge` puts all of them together:

    BESIDE/.shards/<command>-<key>/3-of-64/
        lock        locked by the process of the shard; its time is that at which the shard began
        …           what the command leaves there

The key stands for what the command does. Other options, or other frames, are other shards.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from cityseg.errors import DatasetError
from cityseg.system import Lock, is_held

#: The folder of shards that are not merged yet.
SHARDS: Final = ".shards"
LOCK: Final = "lock"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number` (1 … `of`) of `of`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A shard such as 3/64; raises DatasetError."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise DatasetError(f"{text} is no shard: write i/n, such as 3/64, with i from 1 to n")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.number}/{self.of}"

    def share(self, items: Sequence[Item], name: Callable[[Item], str] = str) -> list[Item]:
        """Those of `items` that belong to the shard, in their order; names must be unique."""
        by_name = sorted(range(len(items)), key=lambda place: name(items[place]))
        return [items[place] for place in sorted(by_name[self.number - 1 :: self.of])]


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """The folder of the shards of one command that are not merged yet."""

    path: Path

    @classmethod
    def of(cls, beside: Path, command: str, identity: Any) -> Self:
        """The folder in `beside` for a command; `identity` (JSON) has all that it depends on."""
        content = json.dumps(identity, sort_keys=True).encode()
        return cls(
            beside / SHARDS / f"{command}-{hashlib.blake2b(content, digest_size=6).hexdigest()}"
        )

    def place(self, shard: Shard) -> Path:
        """The folder of one shard."""
        return self.path / f"{shard.number}-of-{shard.of}"

    @contextmanager
    def held(self, shard: Shard) -> Iterator[Path]:
        """Work on a shard: its folder, locked. Raises DatasetError while another process does."""
        folder = self.place(shard)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = Lock.take(folder / LOCK)
        except BlockingIOError as error:
            raise DatasetError(
                f"Another process works on shard {shard} in {folder}: wait for it, or stop it"
            ) from error
        with lock:
            yield folder

    def live(self) -> list[str]:
        """The shards that processes work on, such as 3/64."""
        return [str(shard) for shard, folder in self._shards() if _is_held(folder / LOCK)]

    def locks(self) -> list[Path]:
        """The files that processes lock while they work on shards."""
        return [folder / LOCK for _, folder in self._shards()]

    def complete(self, result: str) -> list[Path]:
        """The folders of all shards, by number, each with the file `result`, which ends its work.

        Where the work was done with several numbers of shards, those whose results are newest: the
        files that it reads may have changed in between. Raises DatasetError if shards are missing,
        or still at work.
        """
        if live := self.live():
            raise DatasetError(
                f"Shard {live[0]} is at work in {self.path}: wait for it, or stop it"
            )
        done: dict[int, dict[int, Path]] = {}
        for shard, folder in self._shards():
            known = done.setdefault(shard.of, {})
            if (folder / result).is_file():
                known[shard.number] = folder
        whole = [folders for of, folders in done.items() if len(folders) == of]
        if not whole:
            raise DatasetError(self._incomplete(done))
        newest = max(
            whole,
            key=lambda folders: min((each / result).stat().st_mtime for each in folders.values()),
        )
        return [newest[number] for number in range(1, len(newest) + 1)]

    def _incomplete(self, done: dict[int, dict[int, Path]]) -> str:
        if not done:
            return (
                f"There are no shards to merge in {self.path.parent}: run the same command with "
                "--shard i/n for each i, and then with --merge"
            )
        of, folders = max(done.items(), key=lambda each: len(each[1]))
        missing = [f"{number}/{of}" for number in range(1, of + 1) if number not in folders]
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return (
            f"Shard {missing[0]}{more} of the same command is not done: run it with --shard "
            f"{missing[0]}, which continues where it ended, and merge again"
        )

    def _shards(self) -> list[tuple[Shard, Path]]:
        found: list[tuple[Shard, Path]] = []
        for folder in self.path.glob("*-of-*"):
            with suppress(DatasetError):
                found.append((Shard.parse(folder.name.replace("-of-", "/")), folder))
        return sorted(found, key=lambda each: (each[0].of, each[0].number))

    def remove(self) -> None:
        """Remove it, after its shards were merged; raises OSError."""
        shutil.rmtree(self.path, ignore_errors=not self.path.exists())
        with suppress(OSError):  # other commands have shards there
            self.path.parent.rmdir()


def _is_held(lock_file: Path) -> bool:
    try:
        return is_held(lock_file)
    except OSError:  # a file system without locks: then nobody can be kept out
        return False
