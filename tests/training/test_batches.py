"""Batches: the right frames in the right order, also when they are gathered ahead."""

import threading

import numpy as np
import pytest
import torch
from waiting import PATIENCE_SECONDS

from cityseg.data.store import Store
from cityseg.geometry import Geometry
from cityseg.training.batches import FrameSource

CPU = torch.device("cpu")
META = torch.device("meta")  # takes shapes, and no bytes


@pytest.fixture
def store(tmp_path):
    """Seven frames of 2×3 pixels whose every value is the frame's number, on disk."""
    numbers = np.arange(7, dtype=np.uint8)
    np.save(tmp_path / "images.npy", np.broadcast_to(numbers[:, None, None, None], (7, 2, 3, 3)))
    np.save(tmp_path / "masks.npy", np.broadcast_to(numbers[:, None, None], (7, 2, 3)))
    images, masks = (
        np.load(tmp_path / name, mmap_mode="r") for name in ("images.npy", "masks.npy")
    )
    return Store(tmp_path, [], images, masks, [], Geometry((2, 3)))


def numbers_of(batches):
    """The frames' numbers in each batch, once images and masks are seen to agree."""
    numbers = []
    for images, masks in batches:
        assert (images == masks.unsqueeze(-1)).all()
        numbers.append(masks[:, 0, 0].tolist())
    return numbers


@pytest.mark.parametrize(
    ("order", "batch_size", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 6], 3, [[0, 1, 2], [3, 4, 5], [6]]),
        ([6, 2, 4, 0], 2, [[6, 2], [4, 0]]),
        ([5, 5, 1], 1, [[5], [5], [1]]),
        ([3, 1], 100, [[3, 1]]),
        ([], 4, []),
    ],
)
def test_batches_have_the_frames_in_order_and_the_rest_comes_last(
    store, order, batch_size, expected
):
    batches = FrameSource(store, CPU).batches(np.array(order, np.int64), batch_size)
    assert numbers_of(batches) == expected


def test_a_batch_is_uint8_with_channels_last(store):
    ((images, masks),) = FrameSource(store, CPU).batches(np.arange(2), 2)
    assert (images.shape, images.dtype) == ((2, 2, 3, 3), torch.uint8)
    assert (masks.shape, masks.dtype) == ((2, 2, 3), torch.uint8)


def test_a_batch_is_a_copy_that_may_be_changed(store):
    source = FrameSource(store, CPU)
    for images, masks in source.batches(np.arange(7), 7):
        images.zero_()
        masks.zero_()
    assert numbers_of(source.batches(np.arange(7), 7)) == [list(range(7))]


def test_frames_stay_on_disk_where_there_is_no_gpu(store):
    source = FrameSource(store, CPU)
    assert not source.resident
    assert isinstance(source.images, np.memmap)


def test_a_device_without_room_gets_each_batch_in_turn(store):
    batches = list(FrameSource(store, META).batches(np.arange(7), 3))
    assert [images.shape[0] for images, _ in batches] == [3, 3, 1]
    assert {tensor.device.type for batch in batches for tensor in batch} == {"meta"}


# --- gathering ahead -------------------------------------------------------------------------


@pytest.fixture
def gathered(monkeypatch):
    """For each frame whether its batch has been gathered, of one frame each."""
    events = [threading.Event() for _ in range(7)]
    gather = FrameSource._gather

    def note(self, part):
        events[part[0]].set()
        return gather(self, part)

    monkeypatch.setattr(FrameSource, "_gather", note)
    return events


def test_two_batches_are_gathered_during_work_on_the_current_one_and_no_more(store, gathered):
    for position, _ in enumerate(FrameSource(store, META).batches(np.arange(7), 1)):
        assert all(event.wait(PATIENCE_SECONDS) for event in gathered[: position + 3])
        assert not any(event.is_set() for event in gathered[position + 3 :])


def test_a_loop_that_is_left_early_leaves_no_thread_behind(store):
    before = threading.active_count()
    batches = FrameSource(store, META).batches(np.arange(7), 1)
    next(batches)
    batches.close()
    assert threading.active_count() == before
