"""Whatever a file of a run, a store, a report or a queue holds: pages list all the rest.

Mirrors no module: it calls the functions that the pages call.
"""

import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from broken_files import breakages, broken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityseg.data import (
    Report,
    find_frames,
    load_catalogue,
    pixel_aspect_of,
    reading_of,
)
from cityseg.data.report import kept_layout
from cityseg.data.store import list_stores, plan_store
from cityseg.errors import CitysegError
from cityseg.estimates.speed import earlier_speed
from cityseg.evaluation import comparison_caveats, load_evaluation, run_scores, scores_csv
from cityseg.geometry import Geometry
from cityseg.jobs import Task, find_tracked, last_resources, list_runs, score_curve, tail
from cityseg.jobs.cleaning import find_leftovers
from cityseg.jobs.queue import DeviceQueue
from cityseg.jobs.tracking import TrackingState
from cityseg.runs import (
    RunDir,
    best_epoch,
    epoch_rows,
    kept_weights,
    newest_rows,
    own_dataset,
    read_about,
    step_rows,
)
from cityseg.runs.notes import write_notes
from cityseg.runs.panels import load_panels, panel_epochs
from cityseg.runs.resuming import why_done
from cityseg.runs.seen import Seen
from cityseg.system import Lock, Process, write_json

MADE_BY_0_1_0 = Path(__file__).parent / "data_0_1_0" / "folders.tar.xz"
MUCH = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class World(NamedTuple):
    """A dataset with masks, two runs with stores, and a task."""

    root: Path
    runs: Path
    run: RunDir  # the one whose files are broken
    other: RunDir
    task: Task


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    with tarfile.open(MADE_BY_0_1_0) as archive:
        archive.extractall(root, filter="data")
    runs = root / "runs"
    run, other = (RunDir(path) for path in sorted(runs.glob("2*")))
    process = Process.this().to_json() | {"start_ticks": 1, "token": "t", "device": "cpu"}
    process["devices"] = ["cpu"]
    write_json(run.supervisor_file, process)
    write_json(run.seen_file, Seen(frames={"a": "b"}, device="cpu", epochs=3).model_dump())
    write_notes(run, "A name", "A note", ["a tag"])
    run.tracking.mkdir()
    TrackingState(id=run.id, folder=str(root), waiting=[str(root)], sent=(1, True, 4)).save(run)
    task = Task.of(runs, "convert", root)
    task.folder.mkdir(parents=True)
    task.log_file.write_text("Converted\n")
    write_json(task.result_file, {"status": 0})
    write_json(task.progress_file, {"what": "a", "unit": "b", "done": 1, "total": 2, "rate": 1.0})
    return World(root, runs, run, other, task)


def _only_ours(*calls: Callable[[], Any]) -> None:
    for call in calls:
        with suppress(CitysegError):
            call()


def files_of(folder: Path) -> list[Path]:
    """All files but locks, by name: the same ones at each run of the tests."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def look_at_run(run: RunDir) -> None:
    """What the pages Train, Results and Predict read of a run."""
    _only_ours(
        lambda: scores_of(run),
        lambda: newest_steps(run),
        lambda: score_curve(run),
        lambda: [load_panels(run, epoch) for epoch in panel_epochs(run)],
        lambda: [read_about(path) for path in kept_weights(run)],
        lambda: why_done(run, {}),
        lambda: own_dataset(run.path),
        lambda: own_dataset(run.best),
        lambda: last_resources(run),
        lambda: find_tracked(run),
        lambda: tail(run),
    )


def newest_steps(run: RunDir) -> None:
    with suppress(OSError):  # as the page does
        rows, _ = newest_rows(run.metrics_file, 1 << 20)
        assert all(row["steps"] for row in step_rows(rows))


def scores_of(run: RunDir) -> None:
    rows = run.metrics()
    best_epoch(rows)
    results = [run_scores(run, "a", epoch_rows(rows), load_evaluation(run, "val"))]
    found = [result for result in results if result]
    comparison_caveats(found * 2)
    scores_csv(found)
    for result in found:
        assert result.source
        assert result.is_stale in (True, False)
        assert result.evaluation is None or result.evaluation.frames


@MUCH
@given(data=st.data())
def test_a_broken_file_of_a_run_costs_no_other_run(world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(world.run.path)))
    with broken(path, data.draw(breakages(path.read_bytes()))):
        entries = {entry.id: entry for entry in list_runs(world.runs)}
        assert entries[world.other.id].state
        entry = entries[world.run.id]
        assert bool(entry.state) != bool(entry.problem)
        if entry.config:
            earlier_speed(entry.config, list(entries.values()))
        look_at_run(world.run)


@MUCH
@given(data=st.data())
def test_a_broken_file_of_a_live_run_costs_no_other_run(world: World, data: st.DataObject) -> None:
    files = [path for path in files_of(world.run.path) if path.suffix in (".json", ".jsonl")]
    path = data.draw(st.sampled_from(files))
    with world.run.locked(), broken(path, data.draw(breakages(path.read_bytes()))):
        entries = {entry.id: entry for entry in list_runs(world.runs)}
        assert entries[world.other.id].state
        assert bool(entries[world.run.id].state) != bool(entries[world.run.id].problem)


@MUCH
@given(data=st.data())
def test_a_broken_file_of_a_store_is_built_again(world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(world.runs / ".store")))
    with broken(path, data.draw(breakages(path.read_bytes()))):
        frames = find_frames(world.root / "city", ["train"])
        plan = plan_store(
            frames, world.root / "city" / "masks", world.runs / ".store", Geometry((16, 32))
        )
        assert plan.frames == 8
        assert len(list_stores(world.runs / ".store")) == 2
        _only_ours(lambda: find_leftovers(world.root / "city", world.runs))


@MUCH
@given(data=st.data())
def test_a_broken_file_beside_the_masks_is_named(world: World, data: st.DataObject) -> None:
    root, masks = world.root / "city", world.root / "city" / "masks"
    path = data.draw(st.sampled_from([masks / "report.json", masks / "pixels.npz"]))
    if not path.exists():
        return
    with broken(path, data.draw(breakages(path.read_bytes()))):
        frames = find_frames(root)
        assert len(frames) == 11
        kept_layout(masks)
        _only_ours(
            lambda: load_catalogue(frames, masks, root),
            lambda: reading_of(frames, masks),
            lambda: pixel_aspect_of(root, masks, frames),
            lambda: outcome(Report.load(masks)),
        )


def outcome(report: Report | None) -> None:
    """What the page Masks draws of a report."""
    if report:
        report.to_json()
        assert not report.void_splits or report.converted


@MUCH
@given(data=st.data())
def test_a_broken_file_of_a_task_is_no_error(world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(world.task.folder)))
    with broken(path, data.draw(breakages(path.read_bytes()))):
        _only_ours(world.task.state, world.task.log, world.task.stop)
        with Lock.take(world.task.lock_file):
            _only_ours(world.task.state)


@MUCH
@given(data=st.data())
def test_a_broken_ticket_takes_no_place(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("queue")
    queue = DeviceQueue(folder)
    ticket = queue.join("a-run", at_once=False)
    name = data.draw(
        st.sampled_from(("000000000000-a.waiting", "999999999999-b.running", ".mutex2", "x" * 200))
    )
    if data.draw(st.booleans()):
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(data.draw(st.binary(max_size=9)))
    assert [place.run_id for place in queue.places()] == ["a-run"]
    assert ticket.try_start()
    ticket.leave()
