"""What nobody needs is found and removed; what a run, a build or a writer needs stays.

Also tests: data/store/inventory, jobs/leftovers, jobs/unfinished.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import city
import numpy as np
import pytest
from reviews import flag, frame_named
from tiny_runs import HEIGHT, WIDTH, content_of, make_city, make_run

from cityseg.data import Shard, ShardFolder, find_frames
from cityseg.data.store import build_lock, open_store
from cityseg.errors import RunError
from cityseg.geometry import Geometry
from cityseg.jobs import Task
from cityseg.jobs.cleaning import Leftover, find_leftovers, remove
from cityseg.runs import RunDir
from cityseg.system import Lock, file_digest, write_json
from cityseg.training import train

WEEK_SECONDS = 7 * 24 * 3600
SIZE_HW = (HEIGHT, WIDTH)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A city of four frames, for runs in the folder `runs` beside it."""
    return make_city(tmp_path / "data", 3, 1)


@pytest.fixture
def runs(data: Path) -> Path:
    return data.parent / "runs"


def build(data: Path, split: str = "train", size_hw: tuple[int, int] = SIZE_HW) -> Path:
    """The folder of the store of the frames as they are now."""
    frames = find_frames(data, [split])
    return open_store(
        frames, data / "masks", data.parent / "runs" / ".store", Geometry(size_hw)
    ).folder


def kill_build(data: Path, size_hw: tuple[int, int] = SIZE_HW) -> Path:
    """The folder of a build that was ended after its first frame."""

    class KilledError(Exception):
        pass

    def end(done: int, total: int) -> None:
        raise KilledError

    stores = data.parent / "runs" / ".store"
    with pytest.raises(KilledError):
        open_store(
            find_frames(data, ["train"]), data / "masks", stores, Geometry(size_hw), progress=end
        )
    (partial,) = stores.glob(f".partial-*-{size_hw[0]}x{size_hw[1]}-*")
    return partial


def change_an_image(data: Path) -> None:
    path = city.image_path(data, "tiny_000000_000000")
    os.utime(path, ns=(1, 1))
    path.write_bytes(path.read_bytes() + b"more")


def stopped(data: Path) -> RunDir:
    """A run that was stopped after its first step."""
    run = make_run(data)
    run.write_summary(train(run, should_stop=lambda: bool(run.metrics())))
    return run


def finished(data: Path) -> RunDir:
    run = make_run(data, epochs=1)
    run.write_summary(train(run))
    return run


def age(path: Path, seconds: float = 2 * WEEK_SECONDS) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def age_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        age(path)


def written(path: Path, age_seconds: float = 7200) -> Path:
    return age(city.write(path, b"half a fi"), age_seconds)


def found_by_path(data: Path, runs: Path) -> dict[Path, Leftover]:
    return {each.path: each for each in find_leftovers(data, runs)}


def removable(data: Path, runs: Path) -> set[Path]:
    return {path for path, each in found_by_path(data, runs).items() if not each.in_use}


# Frame stores


def test_a_store_of_files_that_changed_can_go_and_the_present_one_stays(
    data: Path, runs: Path
) -> None:
    finished(data)
    superseded = build(data)
    change_an_image(data)
    present = build(data)
    found = found_by_path(data, runs)
    assert superseded != present
    assert found[superseded].in_use == ""
    assert "No dataset as it is now and no run that can be resumed" in found[superseded].reason
    assert found[superseded].size_bytes >= 4 * 3 * HEIGHT * WIDTH
    assert found[present].in_use == f"it has the frames of {data} as they are now"


def test_a_store_of_a_removed_dataset_can_go(data: Path, runs: Path) -> None:
    store = build(data)
    data.rename(data.with_name("moved"))
    assert removable(data, runs) == {store}


def test_a_store_of_another_dataset_that_a_run_was_trained_on_stays(
    data: Path, runs: Path, tmp_path: Path
) -> None:
    finished(data)
    other = make_city(tmp_path / "other", 1, 1)
    assert removable(other, runs) == set()


def test_a_run_that_can_be_resumed_keeps_the_store_it_needs(data: Path, runs: Path) -> None:
    run = stopped(data)
    needed = build(data)
    assert found_by_path(data, runs)[needed].in_use == (
        f"the run {run.id} trains with it or can be resumed"
    )


def test_a_run_that_would_copy_most_frames_from_a_superseded_store_keeps_it(
    data: Path, runs: Path
) -> None:
    run, superseded = stopped(data), build(data)
    change_an_image(data)
    assert run.id in found_by_path(data, runs)[superseded].in_use
    build(data)
    assert removable(data, runs) == {superseded}


def test_a_run_whose_dataset_is_not_there_keeps_all_stores_of_its_size(
    data: Path, runs: Path
) -> None:
    run = stopped(data)
    same, other = build(data), build(data, size_hw=(16, 32))
    data.rename(data.with_name("unmounted"))
    found = found_by_path(data, runs)
    assert run.id in found[same].in_use
    assert not found[other].in_use


def test_a_run_that_trains_keeps_its_store(data: Path, runs: Path) -> None:
    run, store = make_run(data), build(data)
    with run.locked():
        run.begin_attempt()
        assert run.id in found_by_path(data, runs)[store].in_use


def test_stores_elsewhere_are_left_alone(data: Path, runs: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    open_store(find_frames(data, ["train"]), data / "masks", shared, Geometry(SIZE_HW))
    make_run(data, store=shared)
    assert found_by_path(data, runs) == {}


def test_other_folders_beside_stores_are_left_alone(data: Path, runs: Path) -> None:
    build(data)
    for name in (
        "train-notes",
        "train-32x64-notes",
        ".partial-mine",
        "train-32x64-0123456789abcdeF",
    ):
        (runs / ".store" / name).mkdir()
    assert len(find_leftovers(data, runs)) == 1


def test_a_killed_build_can_go(data: Path, runs: Path) -> None:
    partial = kill_build(data)
    assert "was stopped or killed" in found_by_path(data, runs)[partial].reason
    assert removable(data, runs) == {partial}


def test_a_build_at_work_stays(data: Path, runs: Path) -> None:
    partial = kill_build(data)
    with Lock.take(build_lock(runs / ".store")):
        assert found_by_path(data, runs)[partial].in_use == "a store is being built"


def test_a_killed_build_that_a_run_would_continue_stays(data: Path, runs: Path) -> None:
    partial, run = kill_build(data), make_run(data)
    assert run.id in found_by_path(data, runs)[partial].in_use


# Unfinished files and folders


PLACES: dict[str, Callable[[Path, Path, RunDir], Path]] = {
    "images": lambda data, runs, run: data / "leftImg8bit" / "train" / "tiny",
    "masks": lambda data, runs, run: data / "masks" / "train" / "tiny",
    "the dataset": lambda data, runs, run: data,
    "a run": lambda data, runs, run: run.path,
    "checkpoints": lambda data, runs, run: run.checkpoints,
    "panels": lambda data, runs, run: run.panels,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_temporary_file_of_a_killed_writer_can_go(data: Path, runs: Path, place: str) -> None:
    folder = PLACES[place](data, runs, make_run(data))
    leftover = written(folder / ".last.pt.123-0123abcd.part")
    for mine in ("mine.part", ".hidden", ".trainvaltest.zip.part", ".backup.part", ".a.classes"):
        written(folder / mine)
    assert removable(data, runs) == {leftover}


def test_the_classes_of_a_video_can_go_after_a_week(data: Path, runs: Path) -> None:
    old, new = (written(data / f".{name}.mp4.classes") for name in ("old", "new"))
    age(old)
    assert removable(data, runs) == {old}
    assert new.exists()


@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_is_being_written_stays(data: Path, runs: Path, place: str) -> None:
    fresh = written(PLACES[place](data, runs, make_run(data)) / ".mask.png.1-0a1b2c3d.part", 60)
    assert found_by_path(data, runs)[fresh].in_use == "it was written to within the last hour"


def test_a_run_that_trains_keeps_its_temporary_files(data: Path, runs: Path) -> None:
    run = make_run(data)
    leftover = written(run.checkpoints / ".last.pt.1-0a1b2c3d.part")
    with run.locked():
        assert found_by_path(data, runs)[leftover].in_use == "its run is being trained"


def test_a_split_on_another_disk_is_searched_too(data: Path, runs: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "val"
    (data / "masks" / "val").rename(city.write(elsewhere / "x").parent.with_name("masks"))
    (data / "masks" / "val").symlink_to(elsewhere.with_name("masks"))
    leftover = written(data / "masks" / "val" / "tiny" / ".a_mask.png.1-0a1b2c3d.part")
    assert removable(data, runs) == {leftover}


def test_masks_in_another_folder_are_searched_and_stores_of_them_stay(
    data: Path, runs: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    (data / "masks").rename(masks)
    leftover = written(masks / "train" / "tiny" / ".a_mask.png.1-0a1b2c3d.part")
    store = open_store(
        find_frames(data, ["train"]), masks, runs / ".store", Geometry(SIZE_HW)
    ).folder
    found = find_leftovers(data, runs, masks)
    assert {each.path: each.in_use for each in found} == {
        leftover: "",
        store: f"it has the frames of {data} as they are now",
    }


def test_a_run_whose_creation_was_killed_can_go(data: Path, runs: Path) -> None:
    hidden = runs / ".20260101-000000-unet-0a.0123abcd.part"
    (hidden / "checkpoints").mkdir(parents=True)
    assert "last hour" in found_by_path(data, runs)[hidden].in_use
    age_all(hidden)
    assert removable(data, runs) == {hidden}
    with Lock.take(RunDir(hidden).lock_file):
        age_all(hidden)
        assert found_by_path(data, runs)[hidden].in_use == "it is being created"


# Tasks


def ended_task(runs: Path) -> Task:
    task = Task.of(runs, "convert", Path("/data"))
    city.write(task.log_file, b"8 frames: 8 converted")
    write_json(task.result_file, {"status": 0})
    return task


def test_a_task_that_ended_more_than_a_week_ago_can_go(data: Path, runs: Path) -> None:
    task = ended_task(runs)
    waiting = Task.of(runs, "convert", "shard")
    city.write(waiting.place_file, b"{}")
    age(waiting.folder)
    assert removable(data, runs) == set()
    age(task.folder)
    assert removable(data, runs) == {task.folder}
    with Lock.take(task.lock_file):
        age(task.folder)
        assert removable(data, runs) == set()


# Removal


def test_all_that_can_go_is_removed_and_nothing_else(data: Path, runs: Path) -> None:
    finished(data)
    stopped(data)
    superseded = build(data)
    change_an_image(data)
    build(data)
    gone = {
        superseded,
        build(data, size_hw=(16, 32)),
        kill_build(data, (32, 32)),
        written(data / "masks" / "train" / "tiny" / ".a_mask.png.1-0a1b2c3d.part"),
        age(ended_task(runs).folder),
    }
    change_an_image(data)
    build(data)
    build(data, size_hw=(16, 32))
    before = content_of(data.parent)
    removed = [each for each in find_leftovers(data, runs) if not each.in_use]
    assert gone <= {each.path for each in removed}
    assert [remove(each) for each in removed] == [None] * len(removed)
    after = content_of(data.parent)
    lost = {data.parent / name for name in before.keys() - after.keys()}
    assert all(any(path.is_relative_to(each.path) for each in removed) for path in lost)
    assert {name: before[name] for name in after} == after
    assert not [each for each in find_leftovers(data, runs) if not each.in_use]
    for run in (path for path in runs.iterdir() if not path.name.startswith(".")):
        assert (run / "config.json").exists()


def test_what_is_in_use_is_not_removed(data: Path, runs: Path) -> None:
    stopped(data)
    for each in find_leftovers(data, runs):
        skipped = remove(each)
        assert skipped
        assert skipped.reason == "in_use"
        assert each.path.exists()


def test_what_has_come_into_use_since_it_was_listed_is_not_removed(data: Path, runs: Path) -> None:
    partial = kill_build(data)
    (leftover,) = find_leftovers(data, runs)
    with Lock.take(build_lock(runs / ".store")):
        skipped = remove(leftover)
    assert skipped
    assert skipped.detail == f"{partial} is kept: it has come into use"
    assert partial.exists()


def test_what_is_gone_already_counts_as_removed(data: Path, runs: Path) -> None:
    file, folder = written(data / ".a.1-0a1b2c3d.part"), kill_build(data)
    found = find_leftovers(data, runs)
    assert {each.path for each in found} == {file, folder}
    file.unlink()
    shutil.rmtree(runs)
    assert [remove(each) for each in found] == [None, None]


# Folders


def test_folders_that_are_not_there_have_no_leftovers(tmp_path: Path) -> None:
    assert find_leftovers(tmp_path / "data", tmp_path / "runs") == []


def test_runs_inside_of_the_dataset_are_counted_once(tmp_path: Path) -> None:
    data = make_city(tmp_path / "data", 1, 1)
    runs = data / "runs"
    leftover = written(runs / "a-run" / ".metrics.1-0a1b2c3d.part")
    (runs / "a-run" / "config.json").write_text("{}")
    assert [each.path for each in find_leftovers(data, runs)] == [leftover]


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    file = city.write(tmp_path / "file")
    for data, runs in ((file, tmp_path / "runs"), (tmp_path / "data", file)):
        with pytest.raises(RunError, match="file is a file: name a folder"):
            find_leftovers(data, runs)


def test_the_store_of_a_stopped_run_that_leaves_out_frames_stays(data: Path, runs: Path) -> None:
    names = data.parent / "names.txt"
    names.write_text("train/tiny/tiny_000000_000001\n")
    run = make_run(data, exclude=names)
    run.write_summary(train(run, should_stop=lambda: bool(run.metrics())))
    (store,) = (runs / ".store").glob("train-*")
    assert f"the run {run.id}" in found_by_path(data, runs)[store].in_use


def test_the_store_of_a_stopped_run_that_ignores_reviewed_regions_stays(
    data: Path, runs: Path
) -> None:
    frame = frame_named(data, "train/tiny/tiny_000000_000001")
    ledger = flag(data.parent / "ledger.jsonl", frame, np.ones(SIZE_HW, np.bool_))
    run = make_run(data, review=ledger)
    run.write_summary(train(run, should_stop=lambda: bool(run.metrics())))
    (store,) = (runs / ".store").glob("train-*")
    assert f"the run {run.id}" in found_by_path(data, runs)[store].in_use
    shutil.rmtree(run.path)
    make_run(data)
    shared = build(data)
    found = found_by_path(data, runs)
    assert not found[store].in_use
    assert found[shared].in_use


def test_evidence_of_weights_that_the_run_no_longer_has_can_go(data: Path, runs: Path) -> None:
    run = make_run(data)
    run.best.parent.mkdir(exist_ok=True)
    run.best.write_bytes(b"the best so far")
    for name, digest in (("val-old", "0" * 16), ("val-new", file_digest(run.best))):
        about = run.evidence / name / "evidence.json"
        about.parent.mkdir(parents=True)
        write_json(about, {"weights": digest})
    (run.evidence / "val-none").mkdir()
    assert [each.path for each in find_leftovers(data, runs)] == [run.evidence / "val-old"]
    with Lock.take_folder(run.evidence / "val-old"):
        (leftover,) = find_leftovers(data, runs)
        assert leftover.in_use == "it is being collected"


def test_superseded_evidence_is_removed_unless_it_has_come_into_use(data: Path, runs: Path) -> None:
    run = make_run(data)
    run.best.parent.mkdir(exist_ok=True)
    run.best.write_bytes(b"the best so far")
    old = run.evidence / "val-old"
    (old / "regions").mkdir(parents=True)
    (old / "regions" / "00000.parquet").write_bytes(b"rows")
    write_json(old / "evidence.json", {"weights": "0" * 16})
    (leftover,) = find_leftovers(data, runs)
    with Lock.take_folder(old):
        problem = remove(leftover)
        assert problem
        assert problem.reason == "in_use"
    assert (old / "regions" / "00000.parquet").exists()
    assert remove(leftover) is None
    assert not old.exists()
    assert run.evidence.is_dir()


# What nobody has continued


def found_in_all(data: Path, runs: Path) -> dict[Path, Leftover]:
    """What is found, also in the folder of predictions."""
    found = find_leftovers(data, runs, outputs=[data.parent / "predictions"])
    return {each.path: each for each in found}


#: Where the shards of a command are, and what they are called.
SHARDS: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "convert": (lambda data, runs: data / "masks", "a conversion"),
    "predict": (lambda data, runs: data.parent / "predictions", "a prediction"),
    "evidence": (lambda data, runs: data.parent / "predictions" / "val-0a", "a collection of"),
    "audit": (lambda data, runs: runs.parent / "reviews" / "data", "an audit"),
}


@pytest.mark.parametrize("command", SHARDS)
def test_shards_that_nobody_merges_can_go_after_a_week(
    data: Path, runs: Path, command: str
) -> None:
    beside, what = SHARDS[command]
    folder = ShardFolder.of(beside(data, runs), command, "these options")
    with folder.held(Shard(1, 2)) as shard:
        written(shard / "journal.jsonl", 0)
        assert folder.path not in found_in_all(data, runs)
        age_all(folder.path)
        leftover = found_in_all(data, runs)[folder.path]
        assert leftover.in_use == "its shard 1/2 is at work"
    leftover = found_in_all(data, runs)[folder.path]
    assert leftover.reason.startswith(f"Shards of {what}")
    with folder.held(Shard(1, 2)):
        problem = remove(leftover)
        assert problem
        assert problem.reason == "in_use"
    age_all(folder.path)
    assert remove(found_in_all(data, runs)[folder.path]) is None
    assert not folder.path.exists()


def test_evidence_that_nobody_continues_can_go_after_a_week(data: Path, runs: Path) -> None:
    run = make_run(data)
    folders = [run.evidence / name for name in ("val-begun", "val-done")]
    for folder in folders:
        written(folder / "part-00000.npz")
        write_json(folder / "evidence.json", {"weights": "0", "is_done": folder == folders[1]})
    shards = ShardFolder.of(folders[0], "evidence", "these options")
    written(folders[1] / "pictures" / "val" / "tiny" / ".a_train_ids.png.1-0a1b2c3d.part")
    assert removable(data, runs) == {
        folders[1] / "pictures" / "val" / "tiny" / ".a_train_ids.png.1-0a1b2c3d.part"
    }
    with shards.held(Shard(1, 2)):
        age_all(run.evidence)
        assert found_by_path(data, runs)[folders[0]].in_use == "its shard 1/2 is at work"
    with Lock.take_folder(folders[0]):
        assert found_by_path(data, runs)[folders[0]].in_use == "it is being collected"
    assert folders[0] in removable(data, runs)
    assert folders[1] not in removable(data, runs)


def test_a_killed_prediction_of_a_video_can_go(data: Path, runs: Path) -> None:
    task = ended_task(runs)
    folders = [
        written(parent / ".cityseg-video-0a1b" / "video.mp4").parent
        for parent in (data.parent / "predictions", task.folder)
    ]
    assert found_in_all(data, runs)[folders[0]].in_use == "it was written to within the last hour"
    for folder in folders:
        age(folder, 7200)
    with Lock.take_folder(folders[0]), Lock.take(task.lock_file):
        found = found_in_all(data, runs)
        assert [found[folder].in_use for folder in folders] == [
            "a video is being predicted",
            "its task is at work",
        ]
    assert [remove(found_in_all(data, runs)[folder]) for folder in folders] == [None, None]
    assert not any(folder.exists() for folder in folders)


def test_a_folder_that_was_being_written_when_its_process_was_killed_can_go(
    data: Path, runs: Path
) -> None:
    killed = written(runs.parent / "reviews" / ".crops.0a1b2c3d.part" / "a.png").parent
    mine = written(runs.parent / "reviews" / ".mine" / "a.png").parent
    assert "last hour" in found_by_path(data, runs)[killed].in_use
    for folder in (killed, mine):
        age_all(folder)
    assert removable(data, runs) == {killed}


def test_plans_of_groups_can_go_after_a_week(data: Path, runs: Path) -> None:
    plan, recent = (written(runs / ".groups" / f"{name}.json") for name in ("old", "new"))
    part = written(runs / ".groups" / ".old.json.1-0a1b2c3d.part")
    age(plan)
    with Lock.take(plan):
        assert found_by_path(data, runs)[plan].in_use == "its runs are being queued"
    assert removable(data, runs) == {plan, part}
    assert recent.exists()


def test_a_run_whose_deletion_was_killed_can_go(data: Path, runs: Path) -> None:
    hidden = written(runs / ".archive" / ".20260101-000000-unet-0a.part" / "best").parent
    age_all(hidden)
    assert removable(data, runs) == {hidden}
