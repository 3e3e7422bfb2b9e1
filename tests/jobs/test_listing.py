"""The list of all runs below a folder."""

import os
from pathlib import Path

import child
import pytest

from cityseg.config import make_config
from cityseg.errors import CitysegError
from cityseg.jobs import list_runs
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
