"""The frame store: its content against NumPy, what is reused, and what killed builds leave.

Also tests: data/store/builder, data/store/files.
"""

import errno
import fcntl
import json
import logging
import os
import shutil
import tracemalloc
from collections import namedtuple
from pathlib import Path

import child
import city
import cv2
import numpy as np
import pytest

from cityseg.data.areas import IgnoredAreas
from cityseg.data.dataset import find_frames
from cityseg.data.frame import Frame
from cityseg.data.masks import convert
from cityseg.data.store import builder as store_builder
from cityseg.data.store import files as store_files
from cityseg.data.store import store
from cityseg.data.store.store import open_store
from cityseg.errors import StoreError
from cityseg.geometry import PADDING, Geometry
from cityseg.review import Region

SOURCE_HW = (64, 128)
SIZE_HW = (16, 32)
STEMS = tuple(f"aachen_{number:06}_000019" for number in range(5))


def photo(seed, size_hw=SOURCE_HW):
    """(H, W, 3) uint8 RGB noise."""
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)


def write_frame(root, stem, seed, split="train", size_hw=SOURCE_HW):
    city.write_frame(root, stem, split, label_ids=city.street(*size_hw, seed))
    city.write(city.image_path(root, stem, split), city.encode(photo(seed, size_hw)))


@pytest.fixture
def root(tmp_path):
    """Five frames and their converted masks."""
    for seed, stem in enumerate(STEMS):
        write_frame(tmp_path, stem, seed)
    convert(tmp_path)
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """The stems of the images that were decoded, in no particular order."""
    stems, decode_frame = [], store_builder.decode_frame

    def decode(content, path):
        stems.append(path.name.removesuffix("_leftImg8bit.png"))
        return decode_frame(content, path)

    monkeypatch.setattr(store_builder, "decode_frame", decode)
    return stems


def opened(root, split="train", size_hw=SIZE_HW, fit="contain", pixel_aspect=1.0, **options):
    geometry = Geometry(size_hw, fit, pixel_aspect)
    return open_store(
        find_frames(root, [split]), root / "masks", root / "stores", geometry, **options
    )


def build_only(root, count, **options):
    """Leave behind a build that ended after `count` frames."""

    def progress(done, total):
        if done == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(root, workers=1, progress=progress, **options)


def partial_of(root):
    (partial,) = (root / "stores").glob(".partial-*")
    return partial


def names_below(root):
    """What the folder of stores holds, apart from the lock."""
    return sorted(path.name for path in (root / "stores").iterdir() if path.name != "build.lock")


def mask_path(root, stem):
    return root / "masks" / "train" / "aachen" / f"{stem}_mask.png"


def damage_image(root, stem):
    """Cut an image file short and return what it held."""
    path = city.image_path(root, stem)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def flip_byte(path, offset):
    with path.open("r+b") as file:
        file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        value = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([value ^ 0xFF]))


def assert_right(store, root, stems=STEMS):
    """The store has exactly the frames `stems`, with the content that their files have now."""
    assert [row.frame for row in store.rows] == [f"train/aachen/{stem}" for stem in stems]
    for position, stem in enumerate(stems):
        image = city.decode(city.image_path(root, stem).read_bytes())
        mask = city.decode(mask_path(root, stem).read_bytes())
        assert np.array_equal(store.images[position], shrunk_image(image))
        assert np.array_equal(store.masks[position], shrunk_mask(mask))


def shrunk_image(image, size_hw=SIZE_HW):
    return cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA)


def shrunk_mask(mask, size_hw=SIZE_HW):
    """The pixel under each target pixel's centre, by the definition."""
    rows, columns = (
        [int((i + 0.5) * source / target) for i in range(target)]
        for source, target in zip(mask.shape, size_hw, strict=True)
    )
    return mask[np.ix_(rows, columns)]


# --- content ---------------------------------------------------------------------------------


def test_rows_are_area_resized_images_and_nearest_resized_masks_in_sorted_order(root):
    assert_right(opened(root), root)


@pytest.mark.parametrize("size_hw", [(16, 32), (64, 128), (23, 51), (100, 300), (17, 99)])
def test_masks_are_exactly_the_nearest_pixels_at_any_size(root, size_hw):
    store = opened(root, size_hw=size_hw, fit="squash")
    mask = city.decode(mask_path(root, STEMS[0]).read_bytes())
    assert store.size_hw == size_hw
    assert np.array_equal(store.masks[0], shrunk_mask(mask, size_hw))


def test_class_pixels_count_each_train_id_and_ignored_pixels_last(root):
    store = opened(root)
    expected = [np.count_nonzero(store.masks == train_id) for train_id in (*range(19), 255)]
    assert store.class_pixels.tolist() == expected
    assert sum(expected) == len(STEMS) * SIZE_HW[0] * SIZE_HW[1]
    assert expected[0] > 0
    assert expected[-1] > 0


def test_the_arrays_are_memory_maps_that_cannot_be_written(root):
    store = opened(root)
    for array in (store.images, store.masks):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable


def test_sources_are_never_modified(root):
    def files():
        folders = (root / name for name in ("leftImg8bit", "gtFine", "masks"))
        paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    before = files()
    opened(root)
    assert files() == before


def test_frames_without_image_or_mask_are_left_out(root):
    mask_path(root, STEMS[1]).unlink()
    city.image_path(root, STEMS[3]).unlink()
    assert_right(opened(root), root, [STEMS[0], STEMS[2], STEMS[4]])


def test_an_image_that_vanished_after_the_listing_is_left_out(root):
    frames = [*find_frames(root, ["train"]), Frame("train", "aachen", "gone", root / "gone.png")]
    assert len(open_store(frames, root / "masks", root / "stores", Geometry(SIZE_HW))) == len(STEMS)


def test_without_masks_the_error_says_to_convert(root):
    with pytest.raises(StoreError, match=r"None of 5 frames has a mask .*cityseg convert"):
        open_store(find_frames(root), root / "elsewhere", root / "stores", Geometry(SIZE_HW))


def test_building_holds_a_few_frames_in_memory_not_all(root):
    size_hw = (512, 1024)
    tracemalloc.start()
    store = opened(root, size_hw=size_hw, workers=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    frame_bytes = (store.images.nbytes + store.masks.nbytes) // len(store)
    assert peak < 2.5 * frame_bytes


def test_progress_counts_up_to_the_number_of_frames(root):
    calls = []
    opened(root, progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(1, 6)]


# --- geometry --------------------------------------------------------------------------------


def test_frames_of_other_proportions_are_padded(root):
    store = opened(root, size_hw=(32, 32))
    assert (store.masks[0, :8] == 255).all()
    assert (store.masks[0, 24:] == 255).all()
    mask = city.decode(mask_path(root, STEMS[0]).read_bytes())
    assert np.array_equal(store.masks[0, 8:24], shrunk_mask(mask))
    image = city.decode(city.image_path(root, STEMS[0]).read_bytes())
    assert np.array_equal(store.images[0, 8:24], shrunk_image(image))
    assert (store.images[0, :8] == PADDING).all()


def test_each_geometry_has_a_store_of_its_own(root, decoded):
    padded, squashed = (opened(root, size_hw=(32, 32), fit=fit) for fit in ("contain", "squash"))
    assert padded.folder != squashed.folder
    assert not np.array_equal(padded.masks, squashed.masks)
    assert opened(root, size_hw=(32, 32)).folder == padded.folder
    assert opened(root, size_hw=(32, 32), pixel_aspect=0.5).folder == squashed.folder
    assert len(decoded) == 2 * len(STEMS)


def test_frames_that_fill_the_size_have_one_store_for_every_fit(root, decoded):
    folders = {opened(root, fit=fit).folder for fit in ("contain", "squash", "squash_0_1_0")}
    assert len(folders) == 1
    assert len(decoded) == len(STEMS)


def without_placements(store):
    """Turn `store` into one of version 0.1.0."""
    index = json.loads((store.folder / "index.json").read_text())
    for row in index["rows"]:
        del row["picture_hw"], row["placement"]
    (store.folder / "index.json").write_text(json.dumps(index))


def test_a_store_of_version_0_1_0_is_opened_where_the_geometry_is_the_same(root, decoded):
    store = opened(root)
    without_placements(store)
    for fit in ("contain", "squash", "squash_0_1_0"):
        assert opened(root, fit=fit, progress=refuse_progress).folder == store.folder
    assert len(decoded) == len(STEMS)


def test_a_store_of_version_0_1_0_is_not_mistaken_for_padded_frames(root, decoded):
    store = opened(root, size_hw=(32, 32), fit="squash_0_1_0")
    without_placements(store)
    assert opened(root, size_hw=(32, 32)).folder != store.folder
    assert opened(root, size_hw=(32, 32), fit="squash_0_1_0").folder == store.folder
    assert len(decoded) == 2 * len(STEMS)


def test_rows_of_another_geometry_are_not_copied(root, decoded):
    without_placements(opened(root, size_hw=(32, 32), fit="squash_0_1_0"))
    write_frame(root, "aachen_000009_000019", 9)
    convert(root)
    decoded.clear()
    opened(root, size_hw=(32, 32))
    assert len(decoded) == len(STEMS) + 1
    decoded.clear()
    opened(root, size_hw=(32, 32), fit="squash")
    assert decoded == ["aachen_000009_000019"]


def test_a_killed_build_of_another_geometry_is_not_continued(root, decoded):
    build_only(root, 3, size_hw=(32, 32), fit="squash")
    decoded.clear()
    store = opened(root, size_hw=(32, 32))
    assert len(decoded) == len(STEMS)
    assert (store.masks[:, :8] == 255).all()


# --- reuse -----------------------------------------------------------------------------------


def refuse_progress(done, total):
    raise AssertionError("something was built")


def file_states(folder):
    statuses = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in statuses.items()}


def test_a_second_open_builds_nothing_and_touches_no_file(root, decoded):
    folder = opened(root).folder
    decoded.clear()
    before = file_states(folder)
    assert_right(opened(root, progress=refuse_progress), root)
    assert decoded == []
    assert file_states(folder) == before


def test_only_the_changed_image_is_decoded_again(root, decoded):
    opened(root)
    decoded.clear()
    city.image_path(root, STEMS[2]).write_bytes(city.encode(photo(77)))
    assert_right(opened(root), root)
    assert decoded == [STEMS[2]]


def test_files_that_look_unchanged_are_not_even_read(root, monkeypatch):
    opened(root)
    city.image_path(root, STEMS[2]).write_bytes(city.encode(photo(77)))
    read, paths = store_builder.read_source, []
    monkeypatch.setattr(store_builder, "read_source", lambda path: paths.append(path) or read(path))
    opened(root)
    assert paths == [city.image_path(root, STEMS[2]), mask_path(root, STEMS[2])]


def test_only_the_frame_of_a_changed_mask_is_decoded_again(root, decoded):
    opened(root)
    decoded.clear()
    annotation = city.annotation_path(root, STEMS[4])
    annotation.write_bytes(city.encode(city.street(*SOURCE_HW, 77)))
    convert(root)
    assert_right(opened(root), root)
    assert decoded == [STEMS[4]]


def test_a_store_in_use_keeps_its_content_when_sources_change(root):
    before = opened(root)
    images = np.array(before.images)
    city.image_path(root, STEMS[2]).write_bytes(city.encode(photo(77)))
    after = opened(root)
    assert after.folder != before.folder
    assert np.array_equal(before.images, images)


def touch_all(root):
    for folder in ("leftImg8bit", "masks"):
        for path in (root / folder).rglob("*.png"):
            os.utime(path, ns=(1, 1))


def test_touched_files_are_not_decoded_again_and_then_known_by_their_new_times(root, decoded):
    opened(root)
    decoded.clear()
    touch_all(root)
    assert_right(opened(root), root)
    assert_right(opened(root, progress=refuse_progress), root)
    assert decoded == []
    assert len(names_below(root)) == 1


def test_a_store_in_use_stays_readable_while_its_touched_files_are_indexed_again(root):
    before = opened(root)
    touch_all(root)
    opened(root)
    assert_right(before, root)


def test_a_copied_dataset_is_not_decoded_again(root, decoded, tmp_path):
    opened(root)
    decoded.clear()
    copy = tmp_path / "copy"
    for folder in ("leftImg8bit", "gtFine", "masks"):
        shutil.copytree(root / folder, copy / folder, copy_function=shutil.copyfile)
    (copy / "stores").symlink_to(root / "stores")
    assert_right(opened(copy), copy)
    assert decoded == []


def test_a_removed_frame_leaves_the_rows_of_the_others(root, decoded):
    opened(root)
    decoded.clear()
    city.image_path(root, STEMS[1]).unlink()
    assert_right(opened(root), root, [STEMS[0], *STEMS[2:]])
    assert decoded == []


def test_only_an_added_frame_is_decoded(root, decoded):
    opened(root)
    decoded.clear()
    new = "aachen_000001_000020"
    write_frame(root, new, 50)
    convert(root)
    assert_right(opened(root), root, [*STEMS[:2], new, *STEMS[2:]])
    assert decoded == [new]


def test_each_size_has_a_store_of_its_own(root):
    assert opened(root).folder != opened(root, size_hw=(16, 16)).folder
    opened(root, progress=refuse_progress)
    assert opened(root, size_hw=(16, 16), progress=refuse_progress).size_hw == (16, 16)


def test_each_split_has_a_store_of_its_own(root):
    write_frame(root, "bochum_000000_000019", 9, "val")
    convert(root)
    train, val = opened(root), opened(root, "val")
    assert (len(train), len(val)) == (5, 1)
    assert opened(root, progress=refuse_progress).folder == train.folder


def test_stores_of_another_format_are_built_again(root, decoded, monkeypatch, caplog):
    opened(root)
    decoded.clear()
    for module in (store, store_files):
        monkeypatch.setattr(module, "FORMAT", store_files.FORMAT + 1)
    assert_right(opened(root), root)
    assert len(decoded) == len(STEMS)
    assert "format" in caplog.text


# --- several processes, killed processes -----------------------------------------------------

#: Opens the store of argv[1], and says so while it waits for the lock, when argv[2] frames are
#: done (and waits for a line), and at the end, with the numbers of frames it put in and decoded.
OPENER = """
import sys
from pathlib import Path
from cityseg.data.store import store, builder as store_builder
from cityseg.data.dataset import find_frames
from cityseg.geometry import Geometry

root, pause_at = Path(sys.argv[1]), int(sys.argv[2])
decode_frame, decoded, put_in = store_builder.decode_frame, [], []

def decode(content, path):
    decoded.append(path)
    return decode_frame(content, path)

def progress(done, total):
    if done == 0:
        print("waiting", flush=True)
        return
    put_in.append(done)
    if done == pause_at:
        print("paused", flush=True)
        sys.stdin.readline()

store_builder.decode_frame = decode
frames = find_frames(root, ["train"])
store.open_store(
    frames, root / "masks", root / "stores", Geometry((16, 32)), workers=1, progress=progress
)
print("built", len(put_in), len(decoded), flush=True)
"""


def start_opener(root, pause_at=0):
    return child.start(OPENER, root, pause_at)


def read_until(process, word):
    for line in process.stdout:
        if line.split()[0] == word:
            return line.split()
    raise AssertionError(f"the process ended without saying {word!r}")


def test_two_processes_that_ask_at_once_build_once(root):
    with start_opener(root, pause_at=1) as first:
        read_until(first, "paused")
        with start_opener(root) as second:
            read_until(second, "waiting")
            first.stdin.write("\n")
            first.stdin.flush()
            built = [read_until(process, "built")[1:] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert built == [["5", "5"], ["0", "0"]]
    assert_right(opened(root, progress=refuse_progress), root)
    assert len(names_below(root)) == 1


def test_where_there_are_no_locks_a_store_is_built_with_a_warning(root, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert_right(opened(root), root)
    assert f"There are no locks in {root / 'stores'}" in caplog.text


def kill_build(root, count):
    """Kill a real process that has finished `count` frames."""
    with start_opener(root, pause_at=count) as process:
        read_until(process, "paused")
        process.kill()


def test_a_killed_build_continues_after_its_finished_frames(root, decoded):
    kill_build(root, 3)
    assert_right(opened(root), root)
    assert sorted(decoded) == list(STEMS[3:])
    assert len(names_below(root)) == 1


def test_a_resumed_build_equals_an_undisturbed_one(root, tmp_path):
    undisturbed = opened(root)
    arrays = [np.array(undisturbed.images), np.array(undisturbed.masks)]
    shutil.rmtree(root / "stores")
    kill_build(root, 2)
    resumed = opened(root)
    assert resumed.rows == undisturbed.rows
    assert resumed.folder == undisturbed.folder
    assert np.array_equal(resumed.images, arrays[0])
    assert np.array_equal(resumed.masks, arrays[1])


def test_a_resumed_build_counts_finished_frames_as_done(root):
    build_only(root, 3)
    calls = []
    opened(root, progress=lambda *call: calls.append(call))
    assert calls == [(4, 5), (5, 5)]


def test_a_torn_last_line_costs_only_its_frame(root, decoded):
    build_only(root, 3)
    rows = partial_of(root) / "rows.jsonl"
    rows.write_bytes(rows.read_bytes()[:-40])
    decoded.clear()
    build_only(root, 4)
    assert decoded[0] == STEMS[2]
    decoded.clear()
    assert_right(opened(root), root)
    assert decoded == [STEMS[4]]  # the lines behind the torn one are whole


@pytest.mark.parametrize("name", ["images.npy", "masks.npy"])
def test_a_finished_row_that_went_bad_is_decoded_again(root, decoded, name):
    build_only(root, 3)
    flip_byte(partial_of(root) / name, 130)  # in row 0, behind the array's header
    decoded.clear()
    assert_right(opened(root), root)
    assert sorted(decoded) == [STEMS[0], *STEMS[3:]]


@pytest.mark.parametrize("name", ["images.npy", "masks.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_partial_store_without_its_arrays_is_started_again(root, name, damage):
    build_only(root, 3)
    path = partial_of(root) / name
    if damage == "missing":
        path.unlink()
    else:
        os.truncate(path, 0 if damage == "empty" else path.stat().st_size - 9)
    assert_right(opened(root), root)


def test_a_file_that_changed_since_the_killed_build_is_decoded_again(root, decoded):
    build_only(root, 3)
    city.image_path(root, STEMS[1]).write_bytes(city.encode(photo(77)))
    decoded.clear()
    assert_right(opened(root), root)
    assert sorted(decoded) == [STEMS[1], *STEMS[3:]]


def test_a_killed_build_is_of_use_after_a_frame_was_added(root, decoded):
    build_only(root, 3)
    decoded.clear()
    new = "aachen_000000_000018"
    write_frame(root, new, 50)
    convert(root)
    assert_right(opened(root), root, [new, *STEMS])
    assert sorted(decoded) == [new, *STEMS[3:]]
    assert len(names_below(root)) == 1


def test_a_damaged_leftover_of_other_frames_is_not_used(root, caplog):
    build_only(root, 3)
    os.truncate(partial_of(root) / "images.npy", 9)
    city.image_path(root, STEMS[0]).unlink()
    assert_right(opened(root), root, STEMS[1:])
    assert "is not used" in caplog.text


def test_a_killed_build_of_another_size_is_kept_and_continued(root, decoded):
    build_only(root, 3, size_hw=(32, 64))
    killed = partial_of(root)
    assert_right(opened(root), root)
    assert killed.exists()
    decoded.clear()
    assert opened(root, size_hw=(32, 64)).size_hw == (32, 64)
    assert sorted(decoded) == list(STEMS[3:])
    assert not killed.exists()


def test_building_val_keeps_the_killed_build_of_train(root, decoded):
    write_frame(root, "bochum_000000_000019", 9, "val")
    convert(root)
    build_only(root, 3)
    opened(root, "val")
    decoded.clear()
    assert_right(opened(root), root)
    assert sorted(decoded) == list(STEMS[3:])


# --- what cannot be read or written ----------------------------------------------------------


def test_a_damaged_image_is_named_and_only_it_is_decoded_after_repair(root, decoded):
    content = damage_image(root, STEMS[2])
    with pytest.raises(StoreError, match=rf"1 of 5 frames.*{STEMS[2]}_leftImg8bit.png is damaged"):
        opened(root)
    city.image_path(root, STEMS[2]).write_bytes(content)
    decoded.clear()
    assert_right(opened(root), root)
    assert decoded == [STEMS[2]]


def test_after_removing_a_damaged_image_nothing_is_decoded_again(root, decoded):
    damage_image(root, STEMS[2])
    with pytest.raises(StoreError, match="remove the frame"):
        opened(root)
    city.image_path(root, STEMS[2]).unlink()
    decoded.clear()
    assert_right(opened(root), root, [*STEMS[:2], *STEMS[3:]])
    assert decoded == []


def test_a_damaged_mask_is_named(root):
    flip_byte(mask_path(root, STEMS[1]), -20)
    with pytest.raises(StoreError, match=f"{STEMS[1]}_mask.png is damaged"):
        opened(root)


def test_an_image_that_cannot_be_opened_is_named(root):
    path = city.image_path(root, STEMS[0])
    frames = find_frames(root, ["train"])
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=f"{STEMS[0]}_leftImg8bit.png cannot be read"):
        open_store(frames, root / "masks", root / "stores", Geometry(SIZE_HW))


def test_an_image_and_a_mask_of_different_sizes_are_refused(root):
    path = city.image_path(root, STEMS[0])
    path.write_bytes(city.encode(photo(0, (32, 64))))
    with pytest.raises(StoreError, match=f"{STEMS[0]}.*differ in size"):
        opened(root)


def spoil_index(folder):
    (folder / "index.json").write_text("garbage")


def spoil_index_form(folder):
    (folder / "index.json").write_text('{"format": 1, "rows": [5]}')


def shorten_index(folder):
    index = json.loads((folder / "index.json").read_text())
    index["rows"].pop()
    (folder / "index.json").write_text(json.dumps(index))


def remove_index(folder):
    (folder / "index.json").unlink()


def truncate_images(folder):
    os.truncate(folder / "images.npy", (folder / "images.npy").stat().st_size - 1)


def empty_masks(folder):
    os.truncate(folder / "masks.npy", 0)


def widen_masks(folder):
    shape = np.load(folder / "masks.npy", mmap_mode="r").shape
    np.save(folder / "masks.npy", np.zeros(shape, np.int64))


DAMAGES = [
    spoil_index,
    spoil_index_form,
    shorten_index,
    remove_index,
    truncate_images,
    empty_masks,
    widen_masks,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_not_used_with_a_warning_and_replaced(root, damage, caplog):
    folder = opened(root).folder
    damage(folder)
    with caplog.at_level(logging.WARNING):
        assert_right(opened(root), root)
    assert f"{folder} is not used" in caplog.text
    assert_right(opened(root, progress=refuse_progress), root)
    assert names_below(root) == [folder.name]


def test_a_row_that_went_bad_in_a_store_is_not_copied_from_it(root, decoded):
    folder = opened(root).folder
    flip_byte(folder / "images.npy", -1)
    decoded.clear()
    touch_all(root)
    assert_right(opened(root), root)
    assert decoded == [STEMS[4]]


Usage = namedtuple("Usage", "free")


def test_too_little_disk_space_is_an_error_in_advance_and_leaves_nothing(root, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(free=9999))
        with pytest.raises(StoreError, match=r"kB are needed and 10 kB are free\): free some"):
            opened(root)
    assert names_below(root) == []
    assert_right(opened(root), root)


#: Opens the store of argv[1] in a process whose files may have no more than 1000 bytes.
LIMITED = f"""
import resource, sys
from pathlib import Path
from cityseg.data.dataset import find_frames
from cityseg.errors import StoreError
from cityseg.geometry import PADDING, Geometry
from cityseg.data.store.store import open_store

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
root = Path(sys.argv[1])
try:
    open_store(find_frames(root, ["train"]), root / "masks", root / "stores", Geometry({SIZE_HW}))
except StoreError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_an_error_and_what_filled_it_is_removed(root):
    said = child.output(LIMITED, root)
    assert "cannot be written (File too large): free some space" in said
    assert names_below(root) == []
    assert_right(opened(root), root)


def test_a_stores_folder_that_is_a_file_is_refused(root):
    Path(root / "stores").write_text("")
    with pytest.raises(StoreError, match=r"stores cannot be written \(File exists\)"):
        opened(root)


# --- ignored areas ---------------------------------------------------------------------------


def flagged_areas(seed, size_hw=SOURCE_HW):
    """Two areas of noise, and the pixels of both."""
    masks = np.random.default_rng(seed).random((2, *size_hw)) < 0.2
    return IgnoredAreas(f"{seed:016x}", tuple(map(Region.of, masks))), masks.any(axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_ignored_pixels_and_only_they_become_255_before_the_mask_is_resized(root, seed):
    areas, is_ignored = flagged_areas(seed)
    shared = opened(root)
    content = {path: path.read_bytes() for path in shared.folder.iterdir()}
    own = opened(root, ignored={f"train/aachen/{STEMS[1]}": areas})
    assert own.folder != shared.folder
    mask = city.decode(mask_path(root, STEMS[1]).read_bytes())
    expected = shrunk_mask(np.where(is_ignored, 255, mask))
    assert np.array_equal(own.masks[1], expected)
    assert not np.array_equal(expected, shared.masks[1])
    others = [0, 2, 3, 4]
    assert np.array_equal(own.masks[others], shared.masks[others])
    assert np.array_equal(own.images, shared.images)
    assert own.rows[1].class_pixels[-1] == np.count_nonzero(expected == 255)
    assert {path: path.read_bytes() for path in shared.folder.iterdir()} == content


def test_each_choice_of_ignored_areas_has_a_store_that_is_found_again(root, decoded):
    name = f"train/aachen/{STEMS[1]}"
    choices = [{}, {name: flagged_areas(0)[0]}, {name: flagged_areas(1)[0]}]
    folders = [opened(root, ignored=choice).folder for choice in choices]
    assert len(set(folders)) == 3
    assert sorted(decoded) == sorted([*STEMS, STEMS[1], STEMS[1]])
    assert [opened(root, ignored=choice).folder for choice in choices] == folders
    assert len(decoded) == 7


def test_a_killed_build_with_ignored_areas_leaves_nothing_wrong_to_one_without(root):
    areas = dict.fromkeys((f"train/aachen/{stem}" for stem in STEMS), flagged_areas(0)[0])
    build_only(root, 3, ignored=areas)
    assert_right(opened(root), root)


def test_a_damaged_row_is_rebuilt_with_its_ignored_areas(root):
    areas, is_ignored = flagged_areas(0)
    ignored = {f"train/aachen/{STEMS[1]}": areas}
    folder = opened(root, ignored=ignored).folder
    flip_byte(folder / "masks.npy", -4 * SIZE_HW[0] * SIZE_HW[1] + 5)
    store = opened(root, ignored=ignored)
    mask = city.decode(mask_path(root, STEMS[1]).read_bytes())
    assert np.array_equal(store.masks[1], shrunk_mask(np.where(is_ignored, 255, mask)))


def test_an_area_outside_of_its_mask_is_named(root):
    areas, _ = flagged_areas(0, (80, 200))
    with pytest.raises(StoreError, match=r"1 of 5 frames .* a reviewed region of it ends at"):
        opened(root, ignored={f"train/aachen/{STEMS[1]}": areas})
