"""Verdicts with their frames: which are stale, and the order of tables."""

from pathlib import Path

import city
from reviews import NAME, STEM, at_row, frame_named, rows_of, verdict_on, write_two_splits

from cityseg.review.ledger import append
from cityseg.review.lines import Undo
from cityseg.review.verdict_table import count_verdicts, verdict_rows, verdicts_csv


def test_verdicts_on_changed_or_missing_frames_are_stale(tmp_path: Path) -> None:
    data = write_two_splits(tmp_path / "data")
    frame = frame_named(data, NAME)
    here = verdict_on(frame, at_row(3))
    other = verdict_on(frame, at_row(3))
    gone = other.model_copy(update={"frame": "train/aachen/aachen_000001_000019"})
    append(tmp_path / "ledger", [gone, here])

    def found() -> list[tuple[str, bool, bool]]:
        rows = rows_of(tmp_path / "ledger", data)
        return [(each.verdict.frame, each.frame is not None, each.is_stale) for each in rows]

    assert found() == [(gone.frame, False, True), (NAME, True, False)]
    assert count_verdicts(rows_of(tmp_path / "ledger", data))["wrong_label"] == 2
    city.write_frame(data, STEM, label_ids=city.street(seed=1))
    assert found() == [(gone.frame, False, True), (NAME, True, True)]


def test_a_digest_is_computed_once_a_frame(tmp_path: Path) -> None:
    frame = frame_named(write_two_splits(tmp_path / "data"), NAME)
    verdicts = [verdict_on(frame, at_row(row)) for row in (3, 4)]
    asked = []
    rows = verdict_rows(verdicts, {NAME: frame}, lambda each: asked.append(each) or "")
    assert asked == [frame]
    assert [row.is_stale for row in rows] == [True, True]


def test_tables_are_in_the_order_of_frames_and_places(tmp_path: Path) -> None:
    data = write_two_splits(tmp_path / "data")
    frame, other = frame_named(data, NAME), frame_named(data, NAME.replace("train", "val"))
    lines = [verdict_on(other, at_row(1)), *(verdict_on(frame, at_row(row)) for row in (7, 3))]
    append(tmp_path / "ledger", lines)
    rows = verdicts_csv(rows_of(tmp_path / "ledger", data), {}).splitlines()[1:]
    assert [row.split(",")[:2] for row in rows] == [
        [NAME, "3"],
        [NAME, "7"],
        [other.name, "1"],
    ]
    none = verdicts_csv([], {}).splitlines()
    assert none == verdicts_csv(rows_of(tmp_path / "ledger", data), {}).splitlines()[:1]


def test_a_region_that_was_judged_again_is_no_longer_stale(tmp_path: Path) -> None:
    data = write_two_splits(tmp_path / "data")
    ledger = tmp_path / "ledger"
    append(ledger, [verdict_on(frame_named(data, NAME), at_row(row)) for row in (3, 9)])
    city.write_frame(data, STEM, label_ids=city.street(seed=1))
    again = verdict_on(frame_named(data, NAME), at_row(3))
    append(ledger, [again])
    append(ledger, [verdict_on(frame_named(data, NAME), at_row(4))])

    def found() -> list[tuple[int, bool]]:
        return [(row.verdict.region.top, row.is_stale) for row in rows_of(ledger, data)]

    assert found() == [(9, True), (3, False), (4, False)]
    append(ledger, [Undo(reviewer="Ada", undone=again.id)])
    assert found() == [(3, True), (9, True), (4, False)]
