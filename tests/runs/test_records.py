"""Reading the JSON files of a run: what is missing, what a crash leaves, what was altered."""

from collections.abc import Callable
from pathlib import Path

import pytest
from metric_rows import epoch_row, train_row
from tiny_runs import tiny_config

from cityseg.errors import RunError
from cityseg.runs import RunDir, newest_rows, read_start_progress, read_summary

ALTERED = [
    (b'{"epochs": "three"}', "epochs is 'three', not a whole number"),
    (b'{"epochs": 1e999}', "epochs is inf, not a whole number"),
    (b'{"seconds": -1}', "seconds is -1, not at least 0"),
    (b'{"detail": ["a"]}', "detail is a list, not text"),
    (b'{"status": ' + b"[" * 200_000, "it is nested too deeply"),
    (b'{"status": "done", "status": "failed"}', "it has 'status' twice"),
    (b'"' + b"x" * (1 << 20) + b'"', "it is larger than 1 MB"),
]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path))


@pytest.mark.parametrize(("content", "found"), ALTERED, ids=[text for _, text in ALTERED])
def test_an_altered_summary_says_what_was_found(run: RunDir, content: bytes, found: str) -> None:
    run.summary_file.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_summary(run.summary_file)
    assert str(caught.value) == (
        f"The files in {run.path} are not as they were written (summary.json: {found}): "
        "restore them"
    )
    assert run.done_summary() is None


def test_a_summary_has_the_fields_that_were_written(run: RunDir) -> None:
    assert read_summary(run.summary_file) == {}
    run.summary_file.write_text('{"status": "done", "epochs": 3, "of_later_versions": 1}')
    assert read_summary(run.summary_file) == {"status": "done", "epochs": 3}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (b'{"kind": "epoch", "epoch": 1e999}', "epoch is inf, not a whole number in a row"),
        (b'{"mean_iou": "0.5"}', "mean_iou is '0.5', not a number in a row"),
        (b'{"class_iou": {"road": []}}', "class_iou.road is a list, not a number in a row"),
        (b'{"kind": ' + b"[" * 5_000, "it is nested too deeply in a row"),
    ],
    ids=["1e999", "text", "list", "deep"],
)
def test_an_altered_row_says_what_was_found(run: RunDir, row: bytes, found: str) -> None:
    run.append_metrics(train_row(1, 10, 5.0))
    with run.metrics_file.open("ab") as file:
        file.write(row + b"\n")
    readings: tuple[Callable[[], object], ...] = (
        run.metrics,
        lambda: newest_rows(run.metrics_file, 10_000),
    )
    for read in readings:
        with pytest.raises(RunError) as caught:
            read()
        assert f"(metrics.jsonl: {found})" in str(caught.value)


def test_what_a_crash_leaves_costs_no_row(run: RunDir) -> None:
    run.append_metrics(train_row(1, 10, 5.0))
    with run.metrics_file.open("ab") as file:
        file.write(b'{"kind": "tr\n\0\0\0\n[1]\n')
    run.append_metrics(epoch_row(1, 6.0))
    with run.metrics_file.open("ab") as file:
        file.write(b'{"kind": "train", "epoch": "being written')
    assert run.metrics() == [train_row(1, 10, 5.0), epoch_row(1, 6.0)]
    assert newest_rows(run.metrics_file, 10_000) == (run.metrics(), True)


def test_a_folder_in_place_of_the_rows_is_a_run_error(run: RunDir) -> None:
    run.metrics_file.mkdir()
    with pytest.raises(RunError, match=r"metrics\.jsonl cannot be read \(Is a directory\)"):
        run.metrics()


def test_the_progress_of_a_start_is_that_of_none_without_a_file(run: RunDir) -> None:
    run.job.mkdir()
    assert read_start_progress(run.progress_file).stage == "starting"
    run.progress_file.write_text('{"stage": "decoding frames", "done": 3, "total": 7}')
    assert read_start_progress(run.progress_file).done == 3
    run.progress_file.write_text('{"done": "three"}')
    with pytest.raises(RunError, match="done is 'three', not a whole number"):
        read_start_progress(run.progress_file)
