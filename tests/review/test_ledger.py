"""The ledger: several writers, kills, damage, undo, tags, and annotations that change."""

import os
import signal
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from child import start
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE_SECONDS

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review.ledger import (
    Ledger,
    annotation_digest,
    append,
    ledger_file,
    read_ledger,
    tags_of_frames,
)
from cityseg.review.lines import Line, TagChange, Undo, Verdict, VerdictCode
from cityseg.review.regions import Region

DIGEST = "0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reviews" / "city.jsonl"


def verdict(
    code: VerdictCode = "wrong_label", row: int = 0, frame: str = "val/a/b", reviewer: str = "Ada"
) -> Verdict:
    return Verdict(
        reviewer=reviewer,
        frame=frame,
        annotation=DIGEST,
        region=Region.of(np.ones((2, 3), np.bool_), top=row),
        truth="tunnel",
        predicted="car",
        verdict=code,
    )


def tag(name: str, frame: str = "val/a/b", is_set: bool = True) -> TagChange:
    return TagChange(reviewer="Ada", frame=frame, tag=name, is_set=is_set)


def codes(ledger: Ledger) -> dict[int, str]:
    """By the top of the region."""
    return {region.top: each.verdict for (_, region), each in ledger.verdicts().items()}


# --- what counts -----------------------------------------------------------------------------


def test_the_last_verdict_on_a_region_counts(path: Path) -> None:
    append(path, [verdict("unclear"), verdict("wrong_label", row=5), verdict("network_wrong")])
    assert codes(read_ledger(path)) == {0: "network_wrong", 5: "wrong_label"}


def test_undo_brings_the_verdict_before_it_back(path: Path) -> None:
    first, second = verdict("unclear"), verdict("network_wrong")
    append(path, [first, second, Undo(reviewer="Ada", undone=second.id)])
    ledger = read_ledger(path)
    assert codes(ledger) == {0: "unclear"}
    append(path, [Undo(reviewer="Ada", undone=first.id), Undo(reviewer="Ada", undone="f" * 16)])
    ledger.refresh()
    assert codes(ledger) == {}


def test_undo_takes_back_one_s_own_verdict_although_another_came_later(path: Path) -> None:
    own, other = verdict("unclear"), verdict("network_wrong", reviewer="Grace")
    append(path, [own, other, Undo(reviewer="Ada", undone=own.id)])
    assert codes(read_ledger(path)) == {0: "network_wrong"}


@given(st.data())
def test_the_order_of_writers_is_of_no_matter_where_each_has_regions_of_its_own(
    data: st.DataObject,
) -> None:
    ada, grace = (_session(data, rows) for rows in ((0, 10), (20, 30)))
    merged = list(ada)
    place = 0
    for line in grace:
        place = data.draw(st.integers(place, len(merged)))
        merged.insert(place, line)
        place += 1
    expected = codes(_applied(ada)) | codes(_applied(grace))
    assert codes(_applied(merged)) == expected


def _session(data: st.DataObject, rows: Sequence[int]) -> list[Line]:
    """Some verdicts of a person on few regions, and undos of some."""
    lines: list[Line] = []
    for _ in range(data.draw(st.integers(0, 6))):
        judged = [line for line in lines if isinstance(line, Verdict)]
        if judged and data.draw(st.booleans()):
            lines.append(Undo(reviewer="Ada", undone=data.draw(st.sampled_from(judged)).id))
        else:
            code = data.draw(st.sampled_from(("wrong_label", "network_wrong", "unclear")))
            lines.append(verdict(code, row=data.draw(st.sampled_from(rows))))
    return lines


def _applied(lines: Sequence[Line]) -> Ledger:
    ledger = Ledger(Path("none"))
    for line in lines:
        ledger._take(line.model_dump_json().encode() + b"\n")
    assert ledger.damaged == ()
    return ledger


def test_a_line_that_was_written_twice_counts_once(path: Path) -> None:
    first, second = tag("night"), tag("night", is_set=False)
    append(path, [first, second, first])
    ledger = read_ledger(path)
    assert ledger.tags() == {}
    assert ledger.has(first.id)
    assert not ledger.has("0" * 16)


def test_tags_are_added_and_removed(path: Path) -> None:
    append(path, [tag("night"), tag("rain"), tag("night", "val/a/c"), tag("rain", is_set=False)])
    ledger = read_ledger(path)
    assert tags_of_frames(ledger) == {"val/a/b": ("night",), "val/a/c": ("night",)}
    append(path, [tag("rain"), tag("night", "val/a/c", is_set=False)])
    ledger.refresh()
    assert tags_of_frames(ledger) == {"val/a/b": ("night", "rain")}


def test_verdicts_are_in_the_order_of_the_lines_that_count(path: Path) -> None:
    again = verdict("unclear", row=0)
    append(path, [verdict(row=0), verdict(row=5), again])
    assert list(codes(read_ledger(path)).items()) == [(5, "wrong_label"), (0, "unclear")]
    append(path, [Undo(reviewer="Ada", undone=again.id)])
    assert list(codes(read_ledger(path))) == [0, 5]


def test_the_digest_of_an_annotation_changes_with_its_file(tmp_path: Path) -> None:
    annotation = tmp_path / "b_gtFine_labelIds.png"
    annotation.write_bytes(b"before")
    frame = Frame("val", "a", "b", label_ids=annotation)
    before = annotation_digest(frame)
    annotation.write_bytes(b"after")
    assert len(before) == 16
    assert annotation_digest(frame) not in ("", before)
    assert annotation_digest(Frame("val", "a", "c")) == ""


# --- the file --------------------------------------------------------------------------------


def test_the_file_is_its_owner_s_alone_and_lies_beside_the_runs(tmp_path: Path) -> None:
    path = ledger_file(tmp_path / "cityscapes", tmp_path / "work" / "runs")
    assert path == tmp_path / "work" / "reviews" / "cityscapes.jsonl"
    append(path, [tag("night")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("data", ["/", "..", "data/..", "a/b/../../.."])
def test_the_file_stays_in_its_folder_whatever_the_dataset_is_called(
    tmp_path: Path, data: str
) -> None:
    path = ledger_file(Path(data), tmp_path / "runs")
    assert path.parent == tmp_path / "reviews"
    assert path.resolve().parent == (tmp_path / "reviews").resolve()


def test_a_missing_ledger_has_no_lines(path: Path) -> None:
    ledger = read_ledger(path)
    assert (ledger.verdicts(), ledger.tags(), ledger.problems()) == ({}, {}, [])
    append(path, [tag("night")])
    ledger.refresh()
    assert ledger.tags()
    path.unlink()
    ledger.refresh()
    assert ledger.tags() == {}


def test_only_what_was_appended_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(path, [tag("night")] * 3)
    ledger = read_ledger(path)
    taken: list[bytes] = []
    monkeypatch.setattr(ledger, "_take", taken.append)
    append(path, [tag("rain")])
    ledger.refresh()
    ledger.refresh()
    assert [b"rain" in line for line in taken] == [True]


def test_a_version_is_greater_the_later_the_ledger_was_read(path: Path) -> None:
    ledger = read_ledger(path)
    versions = [ledger.version]
    for change in ("night", "rain", "", "fog"):
        if change:
            append(path, [tag(change)])
        else:
            path.unlink()
        ledger.refresh()
        versions.append(ledger.version)
    assert versions == sorted(set(versions))
    ledger.refresh()
    assert ledger.version == versions[-1]
    assert read_ledger(path).version >= versions[-1]  # of another process


def test_a_file_that_took_the_place_of_the_ledger_is_read_whole(path: Path) -> None:
    append(path, [tag("night"), tag("rain")])
    ledger = read_ledger(path)
    other = path.with_name("other")
    append(other, [tag("fog"), tag("snow"), tag("dusk")])
    other.replace(path)
    ledger.refresh()
    assert ledger.tags() == {"val/a/b": ("dusk", "fog", "snow")}
    with path.open("r+b") as file:
        file.truncate(0)
    ledger.refresh()
    assert ledger.tags() == {}


def test_a_longer_ledger_that_was_copied_over_it_is_read_whole(path: Path) -> None:
    append(path, [tag("night")])
    ledger = read_ledger(path)
    other = path.with_name("other.jsonl")
    append(other, [tag("fog"), tag("snow"), tag("dusk")])
    path.write_bytes(other.read_bytes())  # as cp does
    ledger.refresh()
    assert ledger.tags() == {"val/a/b": ("dusk", "fog", "snow")}
    assert ledger.damaged == ()


def test_an_incomplete_last_line_is_reported_and_ended_by_the_next_writer(path: Path) -> None:
    append(path, [tag("night")])
    with path.open("ab") as file:
        file.write(b'{"kind": "tag", "fra')
    ledger = read_ledger(path)
    assert ledger.tags() == {"val/a/b": ("night",)}
    assert "last line" in ledger.problems()[0]
    append(path, [tag("rain")])
    ledger.refresh()
    assert ledger.tags() == {"val/a/b": ("night", "rain")}
    assert not ledger.is_torn
    assert [line.number for line in ledger.damaged] == [2]


def test_damaged_lines_are_listed_and_the_others_count(path: Path) -> None:
    append(path, [tag("night")])
    good = tag("snow").model_dump_json()
    lines = ["", "[1]", '{"kind": "praise"}', good.replace('"snow"', "7"), "\x00\xff", "[" * 90]
    doubled = good.replace("{", '{"kind": "tag", ', 1)
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in [*lines, doubled])
    append(path, [tag("rain")])
    ledger = read_ledger(path)
    assert ledger.tags() == {"val/a/b": ("night", "rain")}
    assert [line.number for line in ledger.damaged] == list(range(2, 9))
    assert "7 of 9 lines" in ledger.problems()[0]
    assert ledger.damaged[3].problem == "tag.tag is 7, not text"


def test_lines_of_a_later_version_with_more_fields_count(path: Path) -> None:
    append(path, [tag("night")])
    path.write_text(path.read_text().replace("{", '{"mood": [1], ', 1))
    assert read_ledger(path).tags() == {"val/a/b": ("night",)}


def test_a_line_without_an_end_takes_no_more_memory_than_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.review.ledger._LONGEST", 1000)
    append(path, [tag("night")])
    with path.open("ab") as file:
        file.write(b"x" * 2500)
    append(path, [tag("rain")])
    ledger = read_ledger(path)
    assert ledger.tags() == {"val/a/b": ("night", "rain")}
    assert len(ledger.damaged) == 3


def test_what_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    with pytest.raises(ReviewError, match=r"folder\.jsonl cannot be read"):
        read_ledger(folder)
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(ReviewError, match="pipe"):
        read_ledger(pipe)
    for path in (folder, pipe, folder / "x" / "\0"):
        with pytest.raises((ReviewError, ValueError)):
            append(path, [tag("night")])


def test_a_full_disk_keeps_nothing_of_the_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(path, [tag("night")])
    before = path.read_bytes()
    write, calls = os.write, []

    def full(descriptor: int, content: bytes) -> int:
        calls.append(content)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:20])

    monkeypatch.setattr("cityseg.review.ledger.os.write", full)
    with pytest.raises(ReviewError, match="No space left on device"):
        append(path, [tag("rain")])
    assert path.read_bytes() == before


# --- processes -------------------------------------------------------------------------------

#: Appends tags with its own name, and says after each that it is kept.
WRITER = """
import sys
from pathlib import Path
from cityseg.review.ledger import append
from cityseg.review.lines import TagChange

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(count):
    frame = f"val/{name}/{number}"
    append(path, [TagChange(reviewer=name, frame=frame, tag="t" * (1 + number % 60))])
    print(frame, flush=True)
"""


def test_two_write_at_once_and_a_killed_one_loses_nothing_that_was_kept(path: Path) -> None:
    killed, other = start(WRITER, path, "killed", 1_000_000), start(WRITER, path, "other", 60)
    assert killed.stdout
    kept = [killed.stdout.readline().strip() for _ in range(40)]
    killed.send_signal(signal.SIGKILL)
    kept += killed.communicate(timeout=PATIENCE_SECONDS)[0].split()
    kept += other.communicate(timeout=PATIENCE_SECONDS)[0].split()
    assert (killed.returncode, other.returncode) == (-signal.SIGKILL, 0)
    append(path, [tag("after")])
    ledger = read_ledger(path)
    tags = ledger.tags()
    assert len(kept) >= 100
    assert [frame for frame in kept if frame not in tags] == []
    assert len(ledger.damaged) <= 1  # the line in which the first one was killed
    assert all(len(tags[name][0]) == 1 + int(name.rpartition("/")[2]) % 60 for name in kept)
