"""All rows of the frame stores are checked beside the first epoch, and damaged ones rebuilt."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
import torch
from tiny_runs import epoch_rows, make_city, make_run, trained, weights_of

from cityseg.data.store import Store, checking
from cityseg.errors import StoreError
from cityseg.geometry import Geometry
from cityseg.runs.folder import RunDir
from cityseg.runs.seen import read_seen
from cityseg.training import loop, row_check
from cityseg.training.batches import FrameSource
from cityseg.training.loop import train
from cityseg.training.row_check import RowCheck

#: The train frame whose row is damaged, and its file's stem.
FRAME, STEM = "train/tiny/tiny_000000_000003", "tiny_000000_000003"


@pytest.fixture(scope="module")
def city_with_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunDir]:
    """A dataset whose frame stores are built, and a run of two epochs on them."""
    data = make_city(tmp_path_factory.mktemp("rows") / "data")
    return data, trained(data)


@pytest.fixture
def whole(city_with_store: tuple[Path, RunDir]) -> RunDir:
    return city_with_store[1]


@pytest.fixture
def data(city_with_store: tuple[Path, RunDir], tmp_path: Path) -> Path:
    """A copy of the dataset, with all times, beside a copy of its stores."""
    original = city_with_store[0]
    shutil.copytree(original, tmp_path / "data")
    shutil.copytree(original.parent / "runs" / ".store", tmp_path / "runs" / ".store")
    return tmp_path / "data"


def overwrite(data: Path, *names: str, split: str = "train", position: int = 3) -> None:
    """Put other bytes into a row, without a trace in the times of files."""
    (folder,) = (data.parent / "runs" / ".store").glob(f"{split}-*")
    for name in names:
        path, count = folder / name, 10 if split == "train" else 5
        row_bytes = np.load(path, mmap_mode="r")[0].nbytes
        with path.open("r+b") as file:
            file.seek(path.stat().st_size - (count - position) * row_bytes + row_bytes // 4)
            file.write(b"\7" * (row_bytes // 2))
        before = (folder / "index.json").stat().st_mtime_ns - 1
        os.utime(path, ns=(before, before))


def without_sample(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(checking, "SAMPLE_ROWS", 0)


def store_files(data: Path) -> dict[str, bytes]:
    folder = data.parent / "runs" / ".store"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.npy")}


def test_a_training_on_a_store_that_was_overwritten_before_ends_as_on_a_clean_one(
    data: Path, whole: RunDir
) -> None:
    clean = store_files(data)
    overwrite(data, "images.npy", "masks.npy")
    overwrite(data, "images.npy", "masks.npy", split="val")
    run = make_run(data)
    summary = train(run)
    assert weights_of(run.best) == weights_of(whole.best)
    assert "changes" not in summary  # no step saw it
    assert store_files(data) == clean


@pytest.mark.parametrize("split", ["train", "val"])
def test_what_the_sample_misses_is_found_in_the_first_epoch_and_recorded(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, split: str
) -> None:
    clean = store_files(data)
    overwrite(data, "images.npy", "masks.npy", split=split)
    without_sample(monkeypatch)
    run = make_run(data, epochs=1)
    summary = train(run)
    frame = f"{split}/tiny/{STEM}"
    assert summary["changes"] == [
        f"By epoch 1, damaged rows of its frame stores were found and rebuilt: 1 ({frame}), which "
        "earlier steps may have seen, so the run does not end exactly as one without that"
    ]
    assert summary["changes"][0] in caplog.text
    assert store_files(data) == clean


def test_no_score_rests_on_a_damaged_frame(
    data: Path, whole: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(data, "masks.npy", split="val")
    without_sample(monkeypatch)
    run = make_run(data)
    train(run)
    assert weights_of(run.best) == weights_of(whole.best)
    assert [row["mean_iou"] for row in epoch_rows(run)] == [
        row["mean_iou"] for row in epoch_rows(whole)
    ]


def test_a_resumed_run_says_that_earlier_epochs_may_have_seen_damaged_rows(data: Path) -> None:
    run = make_run(data)
    train(run, should_stop=lambda: len(epoch_rows(run)) == 1)
    overwrite(data, "images.npy")
    (change,) = train(run)["changes"]
    assert change.startswith("By epoch 2, damaged rows of its frame stores were found and rebuilt")
    assert f"1 ({FRAME})" in change
    seen = read_seen(run)
    assert seen
    assert seen.changes == [change]


def test_rows_that_another_training_has_rebuilt_are_recorded(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = make_run(data), make_run(data, epochs=1)

    def in_second_epoch(row: Any) -> None:
        if row["kind"] == "epoch" and row["epoch"] == 1:
            overwrite(data, "images.npy")
            assert "changes" not in train(other)

    (change,) = train(run, on_row=in_second_epoch)["changes"]
    assert change.startswith("By epoch 2, damaged rows of its frame stores were found and rebuilt")


def change_source(data: Path) -> Path:
    """Give a frame's image other content with the same size and time; its path."""
    image = city.image_path(data, STEM)
    status, content = image.stat(), bytearray(image.read_bytes())
    content[-20] ^= 1
    image.write_bytes(content)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    return image


def test_a_row_that_cannot_be_rebuilt_ends_the_training_before_there_are_results(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(data, "images.npy")
    image = change_source(data)
    without_sample(monkeypatch)
    run = make_run(data)
    with pytest.raises(StoreError, match=f"{FRAME}.*{image} has other content"):
        train(run)
    assert epoch_rows(run) == []


def test_a_frame_that_was_brought_back_lets_the_run_begin(
    data: Path, whole: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = city.image_path(data, STEM).read_bytes()
    overwrite(data, "images.npy")
    image = change_source(data)
    run = make_run(data)
    with pytest.raises(StoreError):
        train(run)
    image.write_bytes(content)
    train(run)
    assert weights_of(run.best) == weights_of(whole.best)


# The thread


def endless(patches: pytest.MonkeyPatch) -> threading.Event:
    """Let the check wait at its first row until it is stopped; set once it is there."""
    is_there = threading.Event()

    def wait(self: RowCheck, *arguments: object) -> None:
        is_there.set()
        self._stop.wait()

    patches.setattr(RowCheck, "_check_rows", wait)
    return is_there


def check_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("cityseg-check")]


def test_a_stop_ends_the_check_and_leaves_no_thread(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_there = endless(monkeypatch)
    assert train(make_run(data), should_stop=is_there.is_set)["status"] == "stopped"
    assert is_there.is_set()
    assert check_threads() == []


def test_a_stop_is_heard_while_the_end_of_an_epoch_waits_for_the_check(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless(monkeypatch)
    monkeypatch.setattr(row_check, "_WAIT_SECONDS", 0.01)
    run, asked = make_run(data), iter([False] * 7)  # five steps, then twice while it waits
    assert train(run, should_stop=lambda: next(asked, True))["status"] == "stopped"
    assert epoch_rows(run) == []
    assert check_threads() == []


def test_an_error_in_the_training_ends_the_check(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless(monkeypatch)

    def fail(*arguments: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(loop, "take_step", fail)
    with pytest.raises(RuntimeError, match="broken on purpose"):
        train(make_run(data))
    assert check_threads() == []


def test_an_error_in_the_thread_surfaces(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(store: Store, position: int) -> bool:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(row_check, "is_damaged", fail)
    with pytest.raises(RuntimeError, match="broken on purpose"):
        train(make_run(data))
    assert check_threads() == []


def test_rows_are_checked_in_the_order_of_the_training(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def positions(change: Callable[[int], bool]) -> list[int]:
        checked: list[int] = []

        def check(store: Store, position: int) -> bool:
            checked.append(position)
            return False

        monkeypatch.setattr(row_check, "is_damaged", check)
        train(run, should_stop=lambda: change(len(checked)))
        return checked

    run = make_run(data)
    order = loop.epoch_order(10, run.config().seed, 1).tolist()
    checked = positions(lambda count: count == 15)
    assert checked[:10] == order
    assert checked[10:] == list(range(5))


def test_a_rebuilt_row_is_copied_to_the_device_again(tmp_path: Path) -> None:
    images, masks = np.zeros((3, 2, 2, 3), np.uint8), np.zeros((3, 2, 2), np.uint8)
    source = FrameSource(
        Store(tmp_path, [], images, masks, [], Geometry((2, 2))), torch.device("cpu")
    )
    source.images, source.masks = torch.zeros(3, 2, 2, 3), torch.zeros(3, 2, 2)
    images[1], masks[1] = 5, 6
    source.refresh(1)
    assert source.images[:, 0, 0, 0].tolist() == [0, 5, 0]
    assert source.masks[:, 0, 0].tolist() == [0, 6, 0]
