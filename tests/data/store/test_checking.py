"""Rows of a finished store that were overwritten: found at opening, and rebuilt.

Also tests: data/store/rebuilding.
"""

import errno
import json
import os
import random
import shutil

import city
import numpy as np
import pytest

from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.data.store import checking, open_store, rebuilding
from cityseg.data.store.checking import damaged_rows
from cityseg.data.store.rebuilding import rebuild_rows, rebuilt_frames
from cityseg.errors import StoreError
from cityseg.geometry import Geometry

SIZE_HW = (16, 32)
COUNT = 6
FRAMES = [f"train/aachen/aachen_{number:06}_000019" for number in range(COUNT)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Six frames with masks, and a store of them."""
    root = tmp_path_factory.mktemp("checking")
    for number, frame in enumerate(FRAMES):
        stem = frame.split("/")[-1]
        city.write_frame(root, stem, label_ids=city.street(64, 128, number))
        noise = np.random.default_rng(number).integers(0, 256, (64, 128, 3), np.uint8)
        city.write(city.image_path(root, stem), city.encode(noise))
    convert(root)
    opened(root)
    return root


@pytest.fixture
def root(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "data")  # with all times
    return tmp_path / "data"


@pytest.fixture
def fresh(dataset):
    """What the arrays have to contain."""
    store = opened(dataset)
    return np.array(store.images), np.array(store.masks)


def opened(root):
    frames = find_frames(root, ["train"])
    return open_store(frames, root / "masks", root / "stores", Geometry(SIZE_HW))


def overwrite(store, name, *positions):
    """Put other bytes into the middle of rows, without a trace in the times of files."""
    path, index = store.folder / name, store.folder / "index.json"
    row_bytes = store.images[0].nbytes if name == "images.npy" else store.masks[0].nbytes
    before = path.stat().st_size - len(store) * row_bytes
    with path.open("r+b") as file:
        for position in positions:
            file.seek(before + position * row_bytes + row_bytes // 2)
            file.write(b"\7" * 20)
    os.utime(path, ns=(1, index.stat().st_mtime_ns - 1))


def assert_equal(store, fresh):
    assert np.array_equal(store.images, fresh[0])
    assert np.array_equal(store.masks, fresh[1])


def checked(monkeypatch):
    """The positions whose checksums are computed at opening."""
    positions, is_damaged = [], checking.is_damaged

    def check(store, position):
        positions.append(position)
        return is_damaged(store, position)

    monkeypatch.setattr(checking, "is_damaged", check)
    return positions


# At opening


@pytest.mark.parametrize("name", ["images.npy", "masks.npy"])
def test_rows_overwritten_in_the_middle_are_rebuilt_and_equal_a_fresh_store(
    root, fresh, name, caplog
):
    overwrite(opened(root), name, 1, 2, 4)
    store = opened(root)
    assert_equal(store, fresh)
    assert damaged_rows(store) == []
    assert rebuilt_frames(store.folder) == [FRAMES[1], FRAMES[2], FRAMES[4]]
    assert f"3 of {COUNT} rows of the frame store {store.folder} differed" in caplog.text
    assert FRAMES[2] in caplog.text


def test_a_training_that_has_the_arrays_mapped_sees_the_rebuilt_row(root, fresh):
    other = opened(root)
    overwrite(other, "images.npy", 3)
    assert not np.array_equal(other.images, fresh[0])
    opened(root)
    assert_equal(other, fresh)


def test_a_few_rows_are_checked_at_each_opening_and_not_always_the_same(root, monkeypatch):
    monkeypatch.setattr(checking, "SAMPLE_ROWS", 2)
    positions = checked(monkeypatch)
    for _ in range(30):  # that all are the same has a probability below 1e-40
        opened(root)
    assert len(positions) == 60
    assert len(set(positions)) > 2


def test_on_a_slow_disk_the_sample_ends_early(root, monkeypatch):
    monkeypatch.setattr(checking, "SAMPLE_SECONDS", -1)
    positions = checked(monkeypatch)
    opened(root)
    assert len(positions) == 1


def test_sampling_draws_no_number_of_the_global_generator(root):
    before = random.getstate()
    opened(root)
    assert random.getstate() == before


def test_arrays_with_a_later_time_than_their_index_are_checked_whole_once(root, fresh, monkeypatch):
    store = opened(root)
    overwrite(store, "masks.npy", 5)
    later = (store.folder / "index.json").stat().st_mtime_ns + 10**6
    os.utime(store.folder / "masks.npy", ns=(later, later))
    monkeypatch.setattr(checking, "SAMPLE_ROWS", 0)
    positions = checked(monkeypatch)
    assert_equal(opened(root), fresh)
    assert sorted(positions) == list(range(COUNT))
    opened(root)
    assert len(positions) == COUNT


# Rebuilding


def test_a_row_that_another_process_has_rebuilt_meanwhile_is_left_alone(root):
    store = opened(root)
    overwrite(store, "images.npy", 0)
    opened(root)
    assert rebuild_rows(store, [0]) == []
    assert rebuilt_frames(store.folder) == [FRAMES[0]]


def test_a_damaged_checksum_in_the_index_is_replaced(root, fresh):
    store = opened(root)
    index = store.folder / "index.json"
    before = json.loads(index.read_text())
    damaged = json.loads(index.read_text())
    damaged["rows"][2]["checksum"] ^= 1
    index.write_text(json.dumps(damaged))
    assert_equal(opened(root), fresh)
    assert json.loads(index.read_text()) == before


def test_a_damaged_count_in_the_index_is_replaced_before_it_is_used(root, monkeypatch):
    monkeypatch.setattr(checking, "SAMPLE_ROWS", 0)
    store = opened(root)
    before, index = store.class_pixels.tolist(), store.folder / "index.json"
    damaged = json.loads(index.read_text())
    damaged["rows"][2]["class_pixels"][0] ^= 64
    index.write_text(json.dumps(damaged))
    assert opened(root).class_pixels.tolist() == before


def test_a_row_that_was_half_rebuilt_when_its_process_was_killed_is_rebuilt_at_the_next_opening(
    root, fresh, monkeypatch
):
    def killed(path, *arguments):
        if path.name == "masks.npy":
            raise KeyboardInterrupt
        write_row(path, *arguments)

    store = opened(root)
    overwrite(store, "images.npy", 2)
    overwrite(store, "masks.npy", 2)
    write_row = rebuilding._write_row
    monkeypatch.setattr(rebuilding, "_write_row", killed)
    with pytest.raises(KeyboardInterrupt):
        opened(root)
    monkeypatch.undo()
    assert_equal(opened(root), fresh)


def test_rows_of_version_0_1_0_are_rebuilt(root, fresh):
    store = opened(root)
    index = store.folder / "index.json"
    old = json.loads(index.read_text())
    for row in old["rows"]:
        del row["picture_hw"], row["placement"]
    index.write_text(json.dumps(old))
    overwrite(store, "images.npy", 2)
    assert_equal(opened(root), fresh)


def test_a_row_whose_source_has_changed_unnoticed_is_refused_by_name(root):
    overwrite(opened(root), "images.npy", 1, 3)
    image = city.image_path(root, FRAMES[1].split("/")[-1])
    status, content = image.stat(), bytearray(image.read_bytes())
    content[-20] ^= 1
    image.write_bytes(content)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    for _ in range(2):  # also when it is opened again
        with pytest.raises(StoreError, match=r"1 of 6 rows .* cannot be rebuilt") as refusal:
            opened(root)
        assert FRAMES[1] in str(refusal.value)
        assert f"{image} has other content" in str(refusal.value)
        assert FRAMES[3] not in str(refusal.value)  # which was rebuilt


def test_a_row_whose_source_is_gone_is_refused_by_name(root):
    store = opened(root)
    overwrite(store, "masks.npy", 4)
    mask = root / "masks" / "train" / "aachen" / f"{FRAMES[4].split('/')[-1]}_mask.png"
    mask.unlink()
    with pytest.raises(StoreError, match=f"{FRAMES[4]}.*{mask} cannot be read"):
        rebuild_rows(store, [4])


def test_a_store_that_cannot_be_written_is_refused(root, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    overwrite(opened(root), "images.npy", 4)
    monkeypatch.setattr(rebuilding, "_write_row", refuse)
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\)"):
        opened(root)


def test_a_store_whose_files_were_removed_meanwhile_is_refused(root):
    store = opened(root)
    overwrite(store, "images.npy", 4)
    shutil.rmtree(store.folder)
    with pytest.raises(StoreError, match="removed or replaced meanwhile"):
        rebuild_rows(store, [4])


def test_a_store_that_was_built_again_meanwhile_is_refused(root, fresh):
    store = opened(root)
    overwrite(store, "images.npy", 4)
    shutil.rmtree(store.folder)
    opened(root)
    with pytest.raises(StoreError, match="removed or replaced meanwhile"):
        rebuild_rows(store, [4])
    assert_equal(opened(root), fresh)
