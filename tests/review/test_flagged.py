"""Which regions of a ledger are ignored, and what is said of the others."""

from pathlib import Path

import city
import pytest
from reviews import NAME, STEM, at_row, flag, frame_named, verdict_on, write_two_splits

from cityseg.data import Frame, find_frames
from cityseg.errors import ReviewError
from cityseg.review import Undo, append
from cityseg.review.flagged import read_flagged, wrong_labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_two_splits(tmp_path / "data")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def frame(data: Path) -> Frame:
    return frame_named(data, NAME)


def test_only_wrong_labels_that_count_are_flagged(ledger: Path, frame: Frame) -> None:
    undone = verdict_on(frame, at_row(3))
    others = [verdict_on(frame, at_row(4), "network_wrong"), verdict_on(frame, at_row(5))]
    append(ledger, [undone, *others, Undo(reviewer="Ada", undone=undone.id)])
    flagged = read_flagged(ledger, [frame])
    assert [region.top for region in flagged.regions[NAME]] == [5]
    assert (flagged.count, flagged.notes) == (1, [])


def test_the_order_of_verdicts_does_not_change_the_key(tmp_path: Path, frame: Frame) -> None:
    lines = [verdict_on(frame, at_row(row)) for row in (7, 3)]
    keys = []
    for name, order in (("a", lines), ("b", lines[::-1]), ("c", lines[:1])):
        append(tmp_path / name, order)
        keys.append(read_flagged(tmp_path / name, [frame]).ignored[NAME].key)
    assert keys[0] == keys[1] != keys[2]


def test_stale_verdicts_are_named_and_not_used(ledger: Path, data: Path, frame: Frame) -> None:
    flag(ledger, frame, at_row(3))
    city.write_frame(data, STEM, label_ids=city.street(seed=1))
    append(ledger, [verdict_on(frame, at_row(5))])
    flagged = read_flagged(ledger, [frame])
    assert [region.top for region in flagged.regions[NAME]] == [5]
    (note,) = flagged.notes
    assert note == (
        f"Not used of {ledger}: 1 verdict on annotations that have changed since, such as that of "
        f"{NAME}: judge these regions again"
    )


def test_frames_of_other_splits_do_not_matter(ledger: Path, data: Path) -> None:
    for frame in find_frames(data):
        flag(ledger, frame, at_row(3))
    assert [each.frame for each in wrong_labels(ledger, "val")[0]] == [f"val/aachen/{STEM}"]
    assert read_flagged(ledger, find_frames(data), "val").regions.keys() == {f"val/aachen/{STEM}"}
    assert len(wrong_labels(ledger)[0]) == 2
    train = [frame for frame in find_frames(data) if frame.split == "train"]
    assert read_flagged(ledger, train).notes == []
    assert read_flagged(ledger, find_frames(data)[:0]).notes == [
        f"Nothing is used of {ledger}: its verdicts (2) are on other frames: name the ledger of "
        "this dataset"
    ]


def test_a_missing_ledger_is_an_error_and_a_damaged_line_is_named(
    ledger: Path, frame: Frame
) -> None:
    with pytest.raises(ReviewError, match=r"no review ledger .*: judge regions in the app first"):
        read_flagged(ledger, [frame])
    flag(ledger, frame, at_row(3))
    with ledger.open("a") as file:
        file.write("{}\n")
    flagged = read_flagged(ledger, [frame])
    assert flagged.count == 1
    assert "1 of 2 lines" in flagged.notes[0]
    assert wrong_labels(ledger)[1] == flagged.notes
