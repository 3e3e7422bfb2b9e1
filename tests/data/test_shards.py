"""Shards: disjoint, complete and stable; what they leave is found, and what is missing is named."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.data.shards import Shard, ShardFolder
from cityseg.errors import DatasetError


@settings(deadline=None)
@given(st.sets(st.text(max_size=5), max_size=40), st.integers(1, 9), st.randoms())
def test_shards_are_disjoint_complete_even_and_the_same_in_any_order(names, of, random) -> None:
    listed = sorted(names)
    shares = [Shard(number, of).share(listed) for number in range(1, of + 1)]
    assert sorted(name for share in shares for name in share) == listed
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    random.shuffle(listed)
    for number, share in enumerate(shares, 1):
        own = Shard(number, of).share(listed)
        assert set(own) == set(share)
        assert own == [name for name in listed if name in set(share)]


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "-1/4", "1/0", "1/4/4", "a/b", "1.5/4"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="is no shard: write i/n, such as 3/64"):
        Shard.parse(text)


def test_a_shard_is_read_as_it_is_written() -> None:
    assert Shard.parse("3/64") == Shard(3, 64)
    assert str(Shard(3, 64)) == "3/64"


def test_shards_that_are_missing_or_at_work_are_named(tmp_path: Path) -> None:
    folder = ShardFolder.of(tmp_path, "convert", {"a": 1})
    with pytest.raises(DatasetError, match="There are no shards to merge"):
        folder.complete("done")
    for number in (1, 3):
        with folder.held(Shard(number, 3)) as place:
            (place / "done").touch()
    with pytest.raises(DatasetError, match="Shard 2/3 of the same command is not done"):
        folder.complete("done")
    with folder.held(Shard(2, 3)) as place:
        (place / "done").touch()
        with pytest.raises(DatasetError, match="Shard 2/3 is at work"):
            folder.complete("done")
        with (
            pytest.raises(DatasetError, match="Another process works on shard 2/3"),
            folder.held(Shard(2, 3)),
        ):
            pass
    names = [place.name for place in folder.complete("done")]
    assert names == ["1-of-3", "2-of-3", "3-of-3"]
    with folder.held(Shard(1, 1)) as place:
        (place / "done").touch()
    for seconds, newest in ((1e9, "1-of-1"), (1e10, "1-of-3")):  # of the files as they are now
        for each in ("1-of-3", "2-of-3", "3-of-3"):
            os.utime(folder.path / each / "done", (seconds, seconds))
        assert folder.complete("done")[0].name == newest
    folder.remove()
    assert os.listdir(tmp_path) == []


def test_other_options_have_other_shards(tmp_path: Path) -> None:
    folders = {ShardFolder.of(tmp_path, "convert", {"a": value}).path for value in (1, 2, 1)}
    assert len(folders) == 2
