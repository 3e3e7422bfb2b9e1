"""How far a run is, by its rows."""

import json
from pathlib import Path

import pytest
from metric_rows import epoch_row, train_row

from cityseg.config import make_config
from cityseg.jobs.progress import progress_from_rows, progress_of
from cityseg.runs.folder import RunDir

CONFIG = make_config({"device": "cpu", "epochs": 4, "batch_size": 2})


@pytest.fixture
def run(runs: Path) -> RunDir:
    return RunDir.create(runs, CONFIG)


def test_rate_and_time_left_come_from_the_rows() -> None:
    at = progress_from_rows([train_row(1, 10, 2.0), train_row(1, 20, 4.0)], CONFIG)
    assert (at.epoch, at.step, at.steps, at.total_steps) == (1, 20, 50, 20)
    assert at.steps_per_second == 5
    assert at.frames_per_second == 10
    assert at.seconds_left == (200 - 20) / 5  # the duration of a validation is unknown yet


def test_complete_epochs_make_validation_part_of_the_time_left() -> None:
    rows = [train_row(1, 50, 10.0), epoch_row(1, 15.0), train_row(2, 10, 17.0)]
    at = progress_from_rows(rows, CONFIG)
    assert at.steps_per_second == 5
    assert at.seconds_left == 3 * 15.0 - 2.0
    assert at.epochs_done == 1


def test_validation_does_not_slow_the_rate_of_steps() -> None:
    rows = [train_row(1, 40, 8.0), train_row(1, 50, 10.0), epoch_row(1, 100.0)]
    assert progress_from_rows(rows, CONFIG).steps_per_second == 5


def test_a_run_that_is_done_has_no_time_left() -> None:
    at = progress_from_rows([train_row(4, 50, 60.0), epoch_row(4, 62.0)], CONFIG)
    assert (at.epochs_done, at.epoch, at.step, at.steps) == (4, 4, 50, 50)
    assert at.seconds_left == 0


def test_rows_that_begin_within_an_epoch_give_no_rate_of_their_first() -> None:
    at = progress_from_rows([train_row(2, 30, 20.0)], CONFIG)
    assert (at.total_steps, at.steps_per_second, at.seconds_left) == (80, None, None)


def test_ends_of_epochs_are_found_before_many_rows(run: RunDir) -> None:
    rows = [epoch_row(1, 10.0, 9000), epoch_row(2, 20.0, 9000)]
    rows += [train_row(3, step, 20 + step / 1000, 9000) for step in range(10, 9000, 10)]
    run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run.metrics_file.stat().st_size > 1 << 16
    assert progress_of(run, CONFIG).seconds_left == pytest.approx(2 * 10 - 8.99)
