"""The journal of a shard: the result of each of its items, a line each, as soon as there is one.

A shard that was killed continues from its journal: an item in it is not done again while its
sources are as they were and what was written for it is whole. The last line may have been cut off.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from cityseg.data.shards import Shard, ShardFolder
from cityseg.errors import DatasetError
from cityseg.system import ProgressCallback, Stamp, file_stamp, write_json

JOURNAL: Final = "journal.jsonl"
#: Its presence says that all items of the shard are done.
DONE: Final = "done.json"

Item = TypeVar("Item")
#: Adds an item and its result, a JSON value.
_Add = Callable[[str, list[Stamp | None], Any], None]


def work_on_shard(
    shards: ShardFolder,
    shard: Shard,
    items: Sequence[Item],
    work: Callable[[list[Item]], Iterable[Any]],
    *,
    name: Callable[[Item], str] = str,
    sources: Callable[[Item], Iterable[Path | None]] = lambda item: (),
    is_whole: Callable[[Item], bool] = lambda item: True,
    progress: ProgressCallback | None = None,
) -> list[Any]:
    """Do those of `items` that are the shard's; returns their results, in the order of `items`.

    `work` yields a JSON value for each item of a list, in its order; it gets those that are not in
    the journal, whose `sources` have changed, or of which `is_whole` says that a file is missing.
    Raises DatasetError while another process works on the shard.
    """
    own = {name(item): item for item in shard.share(items, name)}
    with shards.held(shard) as folder:
        (folder / DONE).unlink(missing_ok=True)
        stamps = {each: stamps_of(sources(item)) for each, item in own.items()}
        results = {
            each: result
            for each, (stamp, result) in _read(folder / JOURNAL).items()
            if each in own and stamp == stamps[each] and is_whole(own[each])
        }
        missing = {each: item for each, item in own.items() if each not in results}
        with _appending(folder / JOURNAL) as add:
            found = work(list(missing.values())) if missing else ()
            for each, result in zip(missing, found, strict=True):
                add(each, stamps[each], result)
                results[each] = result
                if progress:
                    progress(len(results), len(own))
        write_json(folder / DONE, {"items": len(own)})
    return [results[each] for each in own]


def work_of_shards(shards: ShardFolder, names: Iterable[str]) -> list[Any]:
    """The results of all items, in the order of their `names`.

    Raises DatasetError if a shard is missing or at work, or its journal has lost an item.
    """
    results = {
        name: result
        for folder in shards.complete(DONE)
        for name, (_, result) in _read(folder / JOURNAL).items()
    }
    ordered = []
    for name in names:
        if name not in results:
            raise DatasetError(
                f"{name} is in no journal of {shards.path}: run the shards again, which continue "
                "where they ended"
            )
        ordered.append(results[name])
    return ordered


def stamps_of(paths: Iterable[Path | None]) -> list[Stamp | None]:
    """The stamps of files; None for those that do not exist."""
    return [_stamp(path) for path in paths]


def _stamp(path: Path | None) -> Stamp | None:
    try:
        return file_stamp(path) if path else None
    except OSError:  # gone, as the work itself finds out
        return None


def _read(journal: Path) -> dict[str, tuple[list[Stamp | None], Any]]:
    found: dict[str, tuple[list[Stamp | None], Any]] = {}
    try:
        lines = journal.read_bytes().splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            name, stamps, result = json.loads(line)
        except ValueError:  # cut off by a kill, or by a full disk
            continue
        found[name] = [stamp and (stamp[0], stamp[1]) for stamp in stamps], result
    return found


@contextmanager
def _appending(journal: Path) -> Iterator[_Add]:
    with journal.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read() != b"\n":  # a line that was cut off
                file.write(b"\n")

        def add(name: str, stamps: list[Stamp | None], result: Any) -> None:
            file.write(json.dumps([name, stamps, result]).encode() + b"\n")
            file.flush()  # so that a kill loses nothing

        yield add
