"""The journal of a shard: nothing is done twice, and nothing is lost, whatever a kill has left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from city import write

from cityseg.data.shard_journal import JOURNAL, work_of_shards, work_on_shard
from cityseg.data.shards import Shard, ShardFolder
from cityseg.errors import DatasetError

ITEMS = ["a", "b", "c", "d", "e"]


class Work:
    """Doubles items; breaks off before one of them."""

    def __init__(self, breaks_at: str = "") -> None:
        self.done: list[str] = []
        self._breaks_at = breaks_at

    def __call__(self, items: list[str]) -> Iterator[str]:
        for item in items:
            if item == self._breaks_at:
                raise KeyboardInterrupt
            self.done.append(item)
            yield 2 * item


@pytest.fixture
def shards(tmp_path: Path) -> ShardFolder:
    return ShardFolder.of(tmp_path, "double", {})


def test_the_results_of_shards_come_in_the_order_of_the_items(shards: ShardFolder) -> None:
    assert work_on_shard(shards, Shard(2, 2), ITEMS, Work()) == ["bb", "dd"]
    with pytest.raises(DatasetError, match="Shard 1/2 of the same command is not done"):
        work_of_shards(shards, ITEMS)
    work_on_shard(shards, Shard(1, 2), ITEMS, Work())
    assert work_of_shards(shards, reversed(ITEMS)) == ["ee", "dd", "cc", "bb", "aa"]


@pytest.mark.parametrize("left", ["", '["c", [', "\0" * 40])
def test_a_shard_continues_after_what_is_whole_in_its_journal(
    shards: ShardFolder, left: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        work_on_shard(shards, Shard(1, 1), ITEMS, Work("c"))
    with (shards.place(Shard(1, 1)) / JOURNAL).open("a") as file:
        file.write(left)
    reports: list[tuple[int, int]] = []
    work = Work()
    found = work_on_shard(
        shards, Shard(1, 1), ITEMS, work, progress=lambda done, all_: reports.append((done, all_))
    )
    assert work.done == ["c", "d", "e"]
    assert found == work_of_shards(shards, ITEMS) == ["aa", "bb", "cc", "dd", "ee"]
    assert reports == [(3, 5), (4, 5), (5, 5)]


def test_items_with_other_sources_or_broken_results_are_done_again(
    shards: ShardFolder, tmp_path: Path
) -> None:
    broken: set[str] = set()
    for item in ITEMS:
        write(tmp_path / "sources" / item, b"1")

    def done_again() -> list[str]:
        work = Work()
        work_on_shard(
            shards,
            Shard(1, 1),
            ITEMS,
            work,
            sources=lambda item: [tmp_path / "sources" / item, None],
            is_whole=lambda item: item not in broken,
        )
        return work.done

    assert done_again() == ITEMS
    assert done_again() == []
    write(tmp_path / "sources" / "d", b"22")
    (tmp_path / "sources" / "a").unlink()
    broken.add("b")
    assert done_again() == ["a", "b", "d"]


def test_an_item_that_a_journal_has_lost_is_named(shards: ShardFolder) -> None:
    work_on_shard(shards, Shard(1, 1), ITEMS, Work())
    journal = shards.place(Shard(1, 1)) / JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(DatasetError, match=r"e is in no journal of .*: run the shards again"):
        work_of_shards(shards, ITEMS)
