"""The list of all runs below a folder."""

import os
import shutil
from pathlib import Path

import child
import pytest

from cityseg.config import make_config
from cityseg.errors import CitysegError
from cityseg.jobs import list_runs, watch_runs
from cityseg.runs.folder import RunDir
from cityseg.runs.notes import write_notes

CONFIG = make_config({"device": "cpu", "epochs": 4, "batch_size": 2})


def test_a_broken_folder_has_a_problem_and_the_others_their_states(runs: Path) -> None:
    good = RunDir.create(runs, CONFIG)
    (runs / "a-empty").mkdir()
    (runs / "z-torn").mkdir()
    (runs / "z-torn" / "config.json").write_text('{"epochs"')
    odd = RunDir.create(runs, CONFIG)
    odd.metrics_file.write_text('{"kind": "train", "epoch": "one"}\n')
    found = {entry.id: entry for entry in list_runs(runs)}
    assert found[good.id].state
    assert "has no config.json" in found["a-empty"].problem
    assert "not a readable configuration" in found["z-torn"].problem
    assert "are not as they were written" in found[odd.id].problem
    assert len(found) == 4


def test_a_name_that_cannot_be_shown_is_escaped(runs: Path) -> None:
    good = RunDir.create(runs, CONFIG)
    for name in (b"\xff", b"\x1b[2J"):
        Path(os.fsdecode(os.fsencode(runs) + b"/" + name)).mkdir()
    problems = {entry.id: entry.problem for entry in list_runs(runs)}
    assert problems.keys() == {good.id, r"\udcff", r"\x1b[2J"}
    assert "because of its folder's name" in problems[r"\udcff"]


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("config.json", "[" * 200_000, "it is nested too deeply"),
        ("config.json", '{"data": "a\\u0000b"}', "data is 'a\\x00b': give the path of a folder"),
        ("summary.json", '{"status": "done", "epochs": 1e999}', "epochs is inf"),
        ("summary.json", '{"status": "done", "epochs": "3"}', "epochs is '3', not a whole number"),
        ("metrics.jsonl", '{"kind": "train"}\n', "a row has no steps"),
        ("metrics.jsonl", '{"kind": "epoch", "epoch": 0}\n', "epoch is 0, not at least 1"),
    ],
)
def test_a_run_with_an_altered_file_has_its_reason(
    runs: Path, file: str, content: str, problem: str
) -> None:
    good, altered = (RunDir.create(runs, CONFIG) for _ in range(2))
    (altered.path / file).write_text(content)
    found = {entry.id: entry for entry in list_runs(runs)}
    assert found[good.id].state
    assert problem in found[altered.id].problem


def test_a_folder_without_permissions_has_a_problem(runs: Path) -> None:
    good, locked = (RunDir.create(runs, CONFIG) for _ in range(2))
    locked.path.chmod(0)
    script = (
        "import sys; from pathlib import Path; from cityseg.jobs import list_runs\n"
        "for entry in list_runs(Path(sys.argv[1])): print(entry.id, entry.problem)"
    )
    said = dict(
        line.split(" ", 1) for line in child.output_obeying_permissions(script, runs).splitlines()
    )
    locked.path.chmod(0o700)
    assert said[good.id] == ""
    assert "Permission denied" in said[locked.id]


def test_runs_are_listed_from_the_newest_without_hidden_folders(runs: Path) -> None:
    for name in ("20250102-000000-a", "20260101-000000-a", ".store", ".x.part"):
        (runs / name).mkdir(parents=True)
    (runs / "file").touch()
    assert [entry.id for entry in list_runs(runs)] == ["20260101-000000-a", "20250102-000000-a"]


def test_a_missing_folder_has_no_runs_and_a_file_is_an_error(runs: Path) -> None:
    assert list_runs(runs) == []
    runs.touch()
    with pytest.raises(CitysegError, match="cannot be listed"):
        list_runs(runs)


def test_a_run_that_has_ended_is_read_again_only_after_a_change(runs: Path) -> None:
    run = RunDir.create(runs, make_config({"data": runs.parent, "title": "First"}))
    (before,) = list_runs(runs)
    assert before.state
    assert before.state.phase == "lost"
    run.write_summary({"status": "done", "epochs": 1, "mean_iou": 0.5, "best_epoch": 1})
    (done,) = list_runs(runs)
    assert done.state
    assert (done.state.phase, done.state.mean_iou) == ("done", 0.5)
    assert list_runs(runs)[0] is done

    write_notes(run, "Renamed", "", [])
    assert list_runs(runs)[0].title == "Renamed"
    changed = run.config_file.read_text().replace('"epochs": 10', '"epochs": 20')
    run.config_file.write_text(changed)  # in place, by hand
    assert [e.state.epochs for e in list_runs(runs) if e.state] == [20]
    with run.locked():
        run.begin_attempt()
        assert [e.state.phase for e in list_runs(runs) if e.state] == ["starting"]


def settle(run: RunDir) -> None:
    """Let the folders of `run` have changed a minute ago."""
    for folder in (run.path, run.job):
        if folder.exists():
            at = folder.stat().st_mtime - 60
            os.utime(folder, (at, at))


def phases(runs: Path) -> list[str]:
    return [entry.state.phase if entry.state else "broken" for entry in watch_runs(runs)]


def test_a_watched_run_that_has_ended_is_kept_until_its_folder_changes(runs: Path) -> None:
    run = RunDir.create(runs, CONFIG)
    run.begin_attempt()
    run.write_summary({"status": "done", "epochs": 4})
    settle(run)
    (first,) = watch_runs(runs)
    assert watch_runs(runs)[0] is first
    run.summary_file.write_text('{"status": "failed"}')  # in place, by hand
    assert phases(runs) == ["done"]
    assert list_runs(runs)[0].state != first.state
    write_notes(run, "Renamed", "", [])
    assert [(e.title, e.state and e.state.phase) for e in watch_runs(runs)] == [
        ("Renamed", "failed")
    ]
    with run.locked():
        run.begin_attempt()
        assert phases(runs) == ["starting"]
        assert phases(runs) == ["starting"]
    assert phases(runs) == ["lost"]


def test_a_watched_run_without_a_result_is_seen_to_begin_and_to_be_stopped(runs: Path) -> None:
    run = RunDir.create(runs, CONFIG)
    run.begin_attempt()
    settle(run)
    (first,) = watch_runs(runs)
    assert watch_runs(runs)[0] is first
    with run.locked():
        run.trainer_file.write_text("{}")
        assert phases(runs) == ["starting"]
    settle(run)
    assert phases(runs) == ["lost"]
    run.stop_file.write_text("{}")
    assert phases(runs) == ["stopped"]


def test_watched_runs_come_go_and_are_mended(runs: Path) -> None:
    assert watch_runs(runs) == []
    older, newer = RunDir.create(runs, CONFIG), RunDir(runs / "z")
    newer.path.mkdir()
    settle(older)
    settle(newer)
    assert phases(runs) == ["broken", "lost"]
    shutil.copy(older.config_file, newer.config_file)
    assert phases(runs) == ["lost", "lost"]
    shutil.rmtree(older.path)
    assert [entry.id for entry in watch_runs(runs)] == ["z"]


def test_a_folder_that_has_just_changed_is_read_again(runs: Path) -> None:
    """Two changes within a tick of the clock of files have the same time."""
    run = RunDir.create(runs, CONFIG)
    before = run.path.stat()
    assert phases(runs) == ["lost"]
    run.write_summary({"status": "done", "epochs": 4})
    os.utime(run.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert phases(runs) == ["done"]
