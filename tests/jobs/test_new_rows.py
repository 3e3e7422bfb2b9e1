"""The new rows of metrics.jsonl, while it grows, is torn, is cut and grows again."""

from pathlib import Path

import pytest
from wandb_world import make_run, write_train_row

from cityseg.jobs.new_rows import NewRows
from cityseg.runs import RunDir


def steps(rows: NewRows) -> list[int]:
    return [row["step"] for row in rows.read()]


def write(run: RunDir, *steps: int, loss: float = 0.5) -> None:
    for step in steps:
        write_train_row(run, step, loss=loss)


def test_a_file_that_does_not_exist_yet_has_no_rows(tmp_path: Path) -> None:
    rows = NewRows(RunDir(tmp_path))
    assert rows.read() == []


def test_each_row_is_read_once_when_its_line_is_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rows = NewRows(run)
    write(run, 1, 2)
    assert steps(rows) == [1, 2]
    assert steps(rows) == []
    write(run, 3)
    whole = run.metrics_file.read_bytes()
    run.metrics_file.write_bytes(whole[:-5])
    assert steps(rows) == []
    run.metrics_file.write_bytes(whole)
    assert steps(rows) == [3]


def test_torn_lines_are_ignored(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rows = NewRows(run)
    write(run, 1)
    with run.metrics_file.open("ab") as file:
        file.write(b'{"kind": "tr\n\n')
    write(run, 2)
    assert steps(rows) == [1, 2]


def test_a_file_that_was_cut_is_read_from_the_start(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rows = NewRows(run)
    write(run, 1)
    size = run.metrics_size()
    write(run, 2, 3)
    assert steps(rows) == [1, 2, 3]
    run.cut_metrics(size)
    assert steps(rows) == [1]


def test_a_file_that_was_cut_and_is_longer_than_before_is_read_from_the_start(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path)
    rows = NewRows(run)
    write(run, 1)
    size = run.metrics_size()
    write(run, 2, 3)
    assert steps(rows) == [1, 2, 3]
    run.cut_metrics(size)
    write(run, 2, 3, 4, loss=0.123456789)
    assert steps(rows) == [1, 2, 3, 4]


def test_a_look_at_an_unchanged_file_does_not_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    rows = NewRows(run)
    write(run, 1)
    assert steps(rows) == [1]
    monkeypatch.setattr(Path, "open", lambda *arguments: pytest.fail("it was opened"))
    assert rows.read() == []
