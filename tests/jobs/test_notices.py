"""What has happened to runs that nobody trains: tests write their rows and summaries."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from wandb_world import make_run, write_train_row

from cityseg.errors import RunError
from cityseg.jobs import Notice, events, list_runs, mark_seen, notices, unseen_notices
from cityseg.runs import RunDir
from cityseg.system import write_json

DAY = 24 * 3600.0


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The free bytes of the disk of all runs."""
    free = [10**11]
    monkeypatch.setattr(events, "free_bytes", lambda folder: free[0])
    return free


def unseen(folder: Path) -> list[Notice]:
    return unseen_notices(folder / "runs", list_runs(folder / "runs"))


def begin(run: RunDir, attempt: str = "first") -> RunDir:
    run.begin_attempt()
    write_json(run.trainer_file, {"token": attempt})
    write_json(run.progress_file, {"stage": "training"})
    return run


def ended(folder: Path, days_ago: float = 0.0, **summary: Any) -> RunDir:
    run = begin(make_run(folder))
    write_json(run.summary_file, {"status": "done", "epochs": 10, **summary})
    at = time.time() - days_ago * DAY
    os.utime(run.summary_file, (at, at))
    return run


def test_the_ends_of_the_last_week_come_newest_first(tmp_path: Path) -> None:
    older, _, newer = (ended(tmp_path, days) for days in (6.9, 7.1, 0.5))
    assert [each.run_id for each in unseen(tmp_path)] == [newer.id, older.id]


def test_a_failure_and_a_run_without_a_result_are_news(tmp_path: Path) -> None:
    nan = ended(tmp_path, status="failed", reason="nan_loss", detail="The loss is no number")
    lost = begin(make_run(tmp_path))
    found = {each.run_id: each.event.kind for each in unseen(tmp_path)}
    assert found == {nan.id: "nan", lost.id: "crash"}
    for file in (lost.metrics_file, lost.config_file):
        file.touch()
        os.utime(file, (0, 0))
    assert [each.run_id for each in unseen(tmp_path)] == [nan.id]


def test_a_run_that_never_began_is_no_crash(tmp_path: Path) -> None:
    created, queued = make_run(tmp_path), make_run(tmp_path)
    queued.begin_attempt()
    write_json(queued.supervisor_file, {"token": "first", "device": "cpu"})
    assert [each.event.kind for each in unseen(tmp_path)] == ["unstarted"] * 2
    begin(created)
    assert sorted(each.event.kind for each in unseen(tmp_path)) == ["crash", "unstarted"]


def test_the_folder_of_an_ended_run_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    found = notices.end_event
    monkeypatch.setattr(
        notices, "end_event", lambda run, state: looked.append(run.id) or found(run, state)
    )
    run, other = ended(tmp_path), ended(tmp_path)
    entries = list_runs(tmp_path / "runs")
    first = unseen_notices(tmp_path / "runs", entries)
    assert unseen_notices(tmp_path / "runs", entries) == first
    assert sorted(looked) == sorted([run.id, other.id])
    write_json(run.summary_file, {"status": "failed", "epochs": 3})
    found_now = unseen_notices(tmp_path / "runs", list_runs(tmp_path / "runs"))
    assert sorted(each.event.kind for each in found_now) == ["crash", "end"]
    assert looked[2:] == [run.id]


def test_a_notice_is_old_after_a_week_whoever_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(tmp_path)
    entries = list_runs(tmp_path / "runs")
    assert len(unseen_notices(tmp_path / "runs", entries)) == 1
    later = time.time() + 8 * DAY
    monkeypatch.setattr(notices.time, "time", lambda: later)
    assert unseen_notices(tmp_path / "runs", entries) == []


def test_a_live_run_has_what_is_wrong_with_it(tmp_path: Path) -> None:
    run = begin(make_run(tmp_path))
    with run.locked():
        assert unseen(tmp_path) == []
        write_train_row(run, 10)
        at = time.time() - 4000
        os.utime(run.metrics_file, (at, at))
        assert [each.event.kind for each in unseen(tmp_path)] == ["stalled"]


def test_a_full_disk_is_one_notice_for_all_runs_on_it(tmp_path: Path, disk: list[int]) -> None:
    runs = [begin(make_run(tmp_path), attempt) for attempt in ("first", "second")]
    disk[0] = 10**6
    with runs[0].locked(), runs[1].locked():
        (notice,) = unseen(tmp_path)
        mark_seen(tmp_path / "runs", [notice])
        assert unseen(tmp_path) == []


def test_what_was_seen_does_not_come_again(tmp_path: Path) -> None:
    run, other = ended(tmp_path), ended(tmp_path)
    mark_seen(tmp_path / "runs", [each for each in unseen(tmp_path) if each.run_id == run.id])
    assert [each.run_id for each in unseen(tmp_path)] == [other.id]
    mark_seen(tmp_path / "runs", unseen(tmp_path))
    assert unseen(tmp_path) == []
    begin(run, "second")  # a resumed run ends once more
    write_json(run.summary_file, {"status": "done", "epochs": 12})
    assert [each.run_id for each in unseen(tmp_path)] == [run.id]


def test_only_the_latest_marks_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_MOST_SEEN", 2)
    runs = [ended(tmp_path) for _ in range(3)]
    for each in sorted(unseen(tmp_path), key=lambda notice: notice.run_id):
        mark_seen(tmp_path / "runs", [each])
    assert [each.run_id for each in unseen(tmp_path)] == [min(run.id for run in runs)]


def test_a_damaged_file_of_marks_hides_nothing(tmp_path: Path) -> None:
    run = ended(tmp_path)
    (tmp_path / "runs" / ".notices.json").write_text('{"seen": 3')
    assert [each.run_id for each in unseen(tmp_path)] == [run.id]


def test_runs_that_cannot_be_read_have_no_news(tmp_path: Path) -> None:
    (tmp_path / "runs" / "torn").mkdir(parents=True)
    assert unseen(tmp_path) == []


def test_a_mark_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    ended(tmp_path)
    found = unseen(tmp_path)
    (tmp_path / "runs" / ".notices.json").mkdir()
    with pytest.raises(RunError, match=r"cannot be written .* so nothing is marked as seen: check"):
        mark_seen(tmp_path / "runs", found)
