"""Conversion of whole folders: exact masks, complete reports, no damage by an interruption."""

import hashlib
import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import child
import city
import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from waiting import PATIENCE_SECONDS

from cityseg.data import png
from cityseg.data.annotations import REASONS
from cityseg.data.dataset import SPLITS, find_frames
from cityseg.data.label_map import unknown_names_message
from cityseg.data.masks import convert, train_ids
from cityseg.data.report import Report
from cityseg.errors import CitysegError, DatasetError, MaskError
from cityseg.labels import LABEL_OF_NAME

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)

STEMS = ("aachen_000000_000019", "aachen_000001_000019", "ulm_000000_000019")
label_maps = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 33))


def naive_train_ids(label_ids):
    """The 19-class mapping, pixel for pixel, by the official table."""
    train_id_of = [id2label[label_id].trainId for label_id in range(34)]
    return np.array([[train_id_of[pixel] for pixel in row] for row in label_ids.tolist()], np.uint8)


def pixels_of(path):
    with Image.open(path) as picture:
        assert picture.mode == "L"
        return np.array(picture)


def content_of(content):
    """The stamp, shape and digest of the pixels in a mask's bytes; None if it is damaged."""
    pixels = png.decode_grey(content)
    if pixels is None:
        return None
    digest = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()
    return png.leading_text(content, "cityseg-source"), pixels.shape, digest


def masks_below(folder):
    """Stamp and pixels of each mask, by its path below `folder`.

    Not the file's bytes: deflate may compress the same pixels in several ways.
    """
    return {
        str(path.relative_to(folder)): content_of(path.read_bytes())
        for path in sorted(folder.glob("*/*/*_mask.png"))
        if not path.name.startswith(".")
    }


def leftovers(folder):
    return [path.name for path in folder.rglob("*.part")]


def state_of(folder):
    """Content, time and identity of everything below `folder`."""
    state = {}
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            status = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else path.read_bytes()
            state[str(path)] = (content, status.st_mtime_ns, status.st_ino)
    return state


@pytest.fixture
def root(tmp_path):
    """A Cityscapes folder with three good frames of different streets."""
    folder = tmp_path / "data"
    for seed, stem in enumerate(STEMS):
        city.write_frame(folder, stem, label_ids=city.street(seed=seed))
    return folder


@pytest.fixture
def masks(tmp_path):
    return tmp_path / "masks"


# The mapping


@unhurried
@given(label_maps)
def test_label_ids_are_mapped_as_by_the_official_table(label_ids):
    mapped = train_ids(label_ids)
    assert mapped.dtype == np.uint8
    assert np.array_equal(mapped, naive_train_ids(label_ids))


def test_a_view_of_label_ids_is_mapped():
    label_ids = city.street()[::-2, 5::3].T
    assert np.array_equal(train_ids(label_ids), naive_train_ids(label_ids))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_map_without_pixels_stays_one(shape):
    assert train_ids(np.empty(shape, np.uint8)).shape == shape


@pytest.mark.parametrize("value", [34, 128, 255])
def test_a_value_that_is_no_label_id_is_not_mapped(value):
    with pytest.raises(MaskError, match=f"value {value},") as caught:
        train_ids(city.with_pixel(city.street(), value))
    assert caught.value.reason == "unknown_label"


# Masks in files


@pytest.mark.parametrize("split", SPLITS)
def test_the_mask_of_a_frame_is_its_annotation_mapped_pixel_for_pixel(tmp_path, masks, split):
    city.write_frame(tmp_path, STEMS[0], split)
    convert(tmp_path, masks)
    mask = pixels_of(masks / split / "aachen" / f"{STEMS[0]}_mask.png")
    assert np.array_equal(mask, naive_train_ids(city.street()))


def test_all_splits_are_converted_in_one_run(tmp_path, masks):
    for split in SPLITS:
        city.write_frame(tmp_path, STEMS[0], split)
    convert(tmp_path, masks)
    assert [path.split("/")[0] for path in masks_below(masks)] == sorted(SPLITS)


def test_a_blank_map_of_the_test_split_becomes_a_mask_of_255(tmp_path, masks):
    city.write_frame(tmp_path, STEMS[0], "test", label_ids=np.full((5, 7), 3, np.uint8))
    convert(tmp_path, masks)
    mask = pixels_of(masks / "test" / "aachen" / f"{STEMS[0]}_mask.png")
    assert np.array_equal(mask, np.full((5, 7), 255))


@unhurried
@given(st.lists(arrays(np.uint8, (6, 8), elements=st.integers(19, 33)), min_size=1, max_size=3))
def test_any_map_is_converted_exactly(tmp_path_factory, label_maps):
    folder = tmp_path_factory.mktemp("any")
    for number, label_ids in enumerate(label_maps):
        city.write_frame(folder, f"x_{number}_0", label_ids=label_ids)
    convert(folder)
    for number, label_ids in enumerate(label_maps):
        mask = pixels_of(folder / "masks" / "train" / "x" / f"x_{number}_0_mask.png")
        assert np.array_equal(mask, naive_train_ids(label_ids))


def test_opencv_reads_a_mask_as_pillow_does(root, masks):
    convert(root, masks)
    for path in masks.glob("*/*/*.png"):
        by_opencv = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert by_opencv.dtype == np.uint8
        assert np.array_equal(by_opencv, pixels_of(path))


def test_a_mask_passes_the_verification_of_pillow(root, masks):
    convert(root, masks)
    paths = list(masks.glob("*/*/*.png"))
    assert len(paths) == 3
    for path in paths:
        Image.open(path).verify()


def test_masks_lie_below_the_root_by_default(root):
    convert(root)
    assert len(masks_below(root / "masks")) == 3


def test_a_frame_with_only_polygons_is_converted(tmp_path, masks):
    square = {"label": "car", "polygon": [[0, 0], [5, 0], [5, 9], [0, 9]]}
    content = city.polygons_file(square, size_hw=(10, 12))
    city.write(city.annotation_path(tmp_path, STEMS[0], kind="polygons.json"), content)
    city.write(city.image_path(tmp_path, STEMS[0]), city.encode(np.zeros((10, 12), np.uint8)))
    convert(tmp_path, masks)
    mask = pixels_of(masks / "train" / "aachen" / f"{STEMS[0]}_mask.png")
    # The lowest row of a polygon is not drawn in official label maps.
    assert mask.tolist() == [[13] * 6 + [255] * 6] * 9 + [[255] * 12]


def named_road(root, name="Road"):
    """A frame whose polygons have one object of that name; the path of its mask below the masks."""
    square = {"label": name, "polygon": [[0, 0], [11, 0], [11, 10], [0, 10]]}
    city.write(
        city.annotation_path(root, STEMS[0], kind="polygons.json"),
        city.polygons_file(square, size_hw=(10, 12)),
    )
    city.write(city.image_path(root, STEMS[0]), city.encode(np.zeros((10, 12), np.uint8)))
    return f"train/aachen/{STEMS[0]}_mask.png"


def test_names_of_a_label_map_are_converted(tmp_path, masks):
    mask = named_road(tmp_path)
    report = convert(tmp_path, masks)
    assert (report.reasons, report.unknown_names) == ({"unknown_label": 1}, {"Road": 1})
    assert Report.load(masks) == report
    report = convert(tmp_path, masks, label_map={"Road": LABEL_OF_NAME["road"]})
    assert (report.converted, report.unknown_names) == (1, {})
    assert np.unique(pixels_of(masks / mask)).tolist() == [0]


def test_the_label_map_of_the_conversion_before_is_kept_until_another_is_named(tmp_path, masks):
    named_road(tmp_path)
    convert(tmp_path, masks, label_map={"Road": LABEL_OF_NAME["road"]})
    report = convert(tmp_path, masks)
    assert (report.converted, report.reused, report.label_map) == (1, 1, {"Road": "road"})
    assert convert(tmp_path, masks, label_map={}).reasons == {"unknown_label": 1}
    assert convert(tmp_path, masks).reasons == {"unknown_label": 1}


def test_masks_of_polygons_are_reused_with_the_same_label_map_only(tmp_path, masks):
    mask = named_road(tmp_path)
    for label, train_id, reused in [("road", 0, 0), ("car", 13, 0), ("car", 13, 1), (None, 255, 0)]:
        label_map = {"Road": label and LABEL_OF_NAME[label]}
        assert convert(tmp_path, masks, label_map=label_map).reused == reused
        assert np.unique(pixels_of(masks / mask)).tolist() == [train_id]


def test_label_ids_are_preferred_to_polygons(root, masks):
    city.write(city.annotation_path(root, STEMS[0], kind="polygons.json"), b"broken")
    assert convert(root, masks).skipped == 0


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
def test_the_image_may_have_another_format(tmp_path, masks, kind):
    city.write(city.annotation_path(tmp_path, STEMS[0]), city.encode(city.street()))
    image = city.encode(np.zeros((*city.street().shape, 3), np.uint8), kind)
    city.write(city.image_path(tmp_path, STEMS[0], suffix=f".{kind.lower()}"), image)
    assert convert(tmp_path, masks).converted == 1


def test_the_number_of_workers_changes_no_mask(root, tmp_path):
    convert(root, tmp_path / "1", workers=1)
    convert(root, tmp_path / "5", workers=5)
    assert masks_below(tmp_path / "1") == masks_below(tmp_path / "5")


def test_progress_is_reported_after_each_frame(root, masks):
    calls = []
    convert(root, masks, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_opencv_has_its_threads_back_after_a_conversion(root, masks):
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    convert(root, masks)
    after = cv2.getNumThreads()
    cv2.setNumThreads(before)
    assert after == 3


def test_max_images_takes_the_first_frames_in_sorted_order(root, masks):
    outcomes = [convert(root, masks, max_images=2).outcomes for _ in range(2)]
    assert [[o.frame for o in run] for run in outcomes] == [
        [f"train/aachen/{stem}" for stem in STEMS[:2]]
    ] * 2
    assert len(masks_below(masks)) == 2


def test_only_the_chosen_splits_are_converted(root, masks):
    city.write_frame(root, STEMS[0], "val")
    report = convert(root, masks, splits=["val"])
    assert [outcome.frame for outcome in report.outcomes] == [f"val/aachen/{STEMS[0]}"]


def test_splits_without_frames_are_refused(root, masks):
    with pytest.raises(DatasetError, match="has no frames in val, test: choose other splits"):
        convert(root, masks, splits=["val", "test"])


# Good and bad frames together


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder of good frames and one of every bad kind, with the reason expected for each."""
    folder = tmp_path_factory.mktemp("mixed")
    reasons = {}
    for number in range(5):
        stem = f"good_{number:06}_000019"
        city.write_frame(folder, stem, label_ids=city.street(seed=number))
        reasons[stem] = None
    for number, broken in enumerate(city.broken_annotations().values()):
        stem = f"broken_{number:06}_000019"
        city.write_frame(folder, stem).unlink()
        kind = "polygons.json" if broken.suffix == ".json" else f"labelIds{broken.suffix}"
        city.write(city.annotation_path(folder, stem, kind=kind), broken.content)
        reasons[stem] = broken.reason
    for number, content in enumerate(broken_images()):
        stem = f"image_{number:06}_000019"
        city.write_frame(folder, stem)
        city.image_path(folder, stem).write_bytes(content)
        reasons[stem] = "unreadable_image"
    for number, kind in enumerate(("PNG", "JPEG", "WebP")):
        stem = f"cut_{number:06}_000019"
        city.write_frame(folder, stem)
        city.image_path(folder, stem).write_bytes(photo(kind)[:-1000])
        reasons[stem] = "truncated_image"
    return folder, reasons | break_pairs(folder)


def photo(kind):
    """A picture of noise, some 100 kB."""
    rng = np.random.default_rng(0)
    return city.encode(rng.integers(0, 256, (*city.street().shape, 3), np.uint8), kind)


def broken_images():
    photo = np.zeros(city.street().shape, np.uint8)
    wrong_texture = b"FTEX" + bytes(16) + b"\xff" * 20  # makes Pillow raise a ValueError
    headless = [city.encode(photo, kind)[:20] for kind in ("PNG", "JPEG", "WebP")]
    return [b"", b"text", wrong_texture, *headless]


def break_pairs(folder):
    city.write_frame(folder, "size_000000_000019")
    image = city.image_path(folder, "size_000000_000019")
    image.write_bytes(city.encode(np.zeros((256, 128), np.uint8)))

    city.write_frame(folder, "side_000000_000019")
    city.image_path(folder, "side_000000_000019").unlink()
    city.write_frame(folder, "side_000001_000019").unlink()

    failing = city.write_frame(folder, "disk_000000_000019")
    failing.unlink()
    failing.symlink_to("/proc/self/mem")  # a file whose first byte cannot be read
    return {
        "size_000000_000019": "wrong_size",
        "side_000000_000019": "missing_image",
        "side_000001_000019": "missing_annotation",
        "disk_000000_000019": "unreadable_file",
    }


@pytest.fixture(scope="module")
def mixed_conversion(mixed, tmp_path_factory):
    """The report on the mixed folder, and where its masks are."""
    masks = tmp_path_factory.mktemp("mixed_masks")
    return convert(mixed[0], masks), masks


def test_every_reason_is_among_the_bad_frames(mixed):
    only_with_verify = {"damaged_image"}
    assert set(mixed[1].values()) | only_with_verify == {None, *REASONS}


def test_each_bad_frame_is_skipped_for_its_reason(mixed, mixed_conversion):
    found = {o.frame.split("/")[2]: o.reason for o in mixed_conversion[0].outcomes}
    assert found == mixed[1]


def test_frames_are_converted_and_skipped_ones_together(mixed, mixed_conversion):
    report = mixed_conversion[0]
    assert (report.converted, report.skipped) == (5, len(mixed[1]) - 5)


def test_good_frames_among_bad_ones_are_converted_exactly(mixed_conversion):
    for number in range(5):
        stem = f"good_{number:06}_000019"
        mask = pixels_of(mixed_conversion[1] / "train" / "good" / f"{stem}_mask.png")
        assert np.array_equal(mask, naive_train_ids(city.street(seed=number)))


def test_skipped_frames_have_no_mask(mixed_conversion):
    assert {Path(name).parts[1] for name in masks_below(mixed_conversion[1])} == {"good"}


def test_a_skipped_frame_has_a_detail_and_a_converted_one_has_none(mixed_conversion):
    for outcome in mixed_conversion[0].outcomes:
        assert bool(outcome.detail) == (outcome.status == "skipped")


def test_an_image_that_is_damaged_before_its_end_is_found_with_verify(root, masks):
    image = city.image_path(root, STEMS[0])
    content = bytearray(photo("PNG"))
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    assert convert(root, masks).skipped == 0
    report = convert(root, masks, verify=True)
    assert report.reasons == {"damaged_image": 1}
    assert len(masks_below(masks)) == report.converted


def test_an_image_that_was_cut_and_closed_is_found_with_verify(root, masks):
    whole = photo("JPEG")
    city.image_path(root, STEMS[0]).write_bytes(whole[: len(whole) // 3] + b"\xff\xd9")
    assert convert(root, masks, verify=True).reasons == {"truncated_image": 1}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_bytes_behind_the_end_of_an_image_are_no_damage(root, masks, kind):
    city.image_path(root, STEMS[0]).write_bytes(photo(kind) + bytes(100))
    assert convert(root, masks, verify=True).skipped == 0


def test_an_image_that_ends_behind_its_header_is_truncated(root, masks):
    city.image_path(root, STEMS[0]).write_bytes(photo("PNG")[:40])
    assert convert(root, masks).reasons == {"truncated_image": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged or no picture: its file is empty"),
        (b"<html>404</html>", "no picture but a web page: download the file itself"),
        (b"text", "no readable picture: fetch it again"),
    ],
)
def test_why_an_image_cannot_be_read_is_said_in_words(root, masks, content, message):
    image = city.image_path(root, STEMS[0])
    image.write_bytes(content)
    (outcome,) = (o for o in convert(root, masks).outcomes if o.status == "skipped")
    assert (outcome.reason, outcome.detail) == ("unreadable_image", f"{image} is {message}")


def test_an_image_that_was_truncated_later_is_found_although_its_mask_is_done(root, masks):
    assert convert(root, masks).skipped == 0
    image = city.image_path(root, STEMS[0])
    image.write_bytes(photo("PNG")[:5000])
    assert convert(root, masks).reasons == {"truncated_image": 1}


def test_images_without_annotation_are_one_line(root, masks, caplog):
    for number in range(30):
        city.write_frame(root, f"town_{number:06}_000007").unlink()
    report = convert(root, masks)
    assert report.reasons == {"missing_annotation": 30}
    assert report.converted + report.skipped == len(report.outcomes)
    assert caplog.messages == [
        f"Skipped 30 of {len(report.outcomes)} frames, which have no annotation, such as "
        "train/town/town_000000_000007"
    ]


def test_a_pipe_in_the_place_of_an_annotation_or_image_is_no_file(root, masks):
    for path in (city.annotation_path(root, STEMS[0]), city.image_path(root, STEMS[1])):
        path.unlink()
        os.mkfifo(path)
    assert convert(root, masks).reasons == {"missing_annotation": 1, "missing_image": 1}


def test_each_skipped_frame_is_logged_and_unknown_names_once(mixed, tmp_path, caplog):
    report = convert(mixed[0], tmp_path)
    assert report.unknown_names == {"unicorn": 1, "unicorngroup": 1}
    assert len(caplog.records) == report.skipped - 2 + 1
    assert caplog.messages[-1] == unknown_names_message(report.unknown_names)


def test_the_report_file_is_strict_json_of_the_report(mixed_conversion):
    report, masks = mixed_conversion

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads((masks / "report.json").read_bytes(), parse_constant=refuse)
    assert content == report.to_json()


def test_the_report_file_adds_up(mixed, mixed_conversion):
    report = json.loads((mixed_conversion[1] / "report.json").read_bytes())
    assert report["frames"] == len(mixed[1]) == len(report["outcomes"])
    assert report["frames"] == report["converted"] + report["skipped"]
    assert report["skipped"] == sum(report["reasons"].values())
    assert report["reasons"] == Counter(o["reason"] for o in report["outcomes"] if o["reason"])


def test_the_sources_are_not_touched(mixed, tmp_path):
    before = state_of(mixed[0])
    convert(mixed[0], tmp_path)
    assert state_of(mixed[0]) == before


def test_names_that_are_not_utf_8_survive_the_way_to_the_report_and_back(tmp_path, masks):
    stem = os.fsdecode(b"z\xfcrich_000000_000019")
    city.write_frame(tmp_path, stem)
    convert(tmp_path, masks)
    (outcome,) = json.loads((masks / "report.json").read_text())["outcomes"]
    mask = Path(f"{masks / outcome['frame']}_mask.png")
    assert os.fsencode(mask.name) == b"z\xfcrich_000000_000019_mask.png"
    assert np.array_equal(pixels_of(mask), naive_train_ids(city.street()))


# A second run


def test_a_second_run_reuses_every_mask(root, masks):
    convert(root, masks)
    report = convert(root, masks)
    assert (report.converted, report.reused) == (3, 3)


def test_a_second_run_writes_no_mask(root, masks):
    convert(root, masks)
    before = state_of(masks / "train")
    convert(root, masks)
    assert state_of(masks / "train") == before


def test_a_first_run_reuses_nothing(root, masks):
    assert convert(root, masks).reused == 0


def change_content(source):
    """Write other labels, so that size and time change too."""
    source.write_bytes(city.encode(city.street(seed=9)))


def change_size_only(source):
    before = source.stat().st_mtime_ns
    change_content(source)
    os.utime(source, ns=(before, before))


def change_time_only(source):
    os.utime(source, ns=(0, 0))


@pytest.mark.parametrize("change", [change_content, change_size_only, change_time_only])
def test_only_the_mask_of_a_changed_annotation_is_written_again(root, masks, change):
    convert(root, masks)
    change(city.annotation_path(root, STEMS[1]))
    outcomes = convert(root, masks).outcomes
    assert [outcome.reused for outcome in outcomes] == [True, False, True]


def test_the_mask_of_a_changed_annotation_has_its_new_labels(root, masks):
    convert(root, masks)
    change_content(city.annotation_path(root, STEMS[1]))
    convert(root, masks)
    mask = pixels_of(masks / "train" / "aachen" / f"{STEMS[1]}_mask.png")
    assert np.array_equal(mask, naive_train_ids(city.street(seed=9)))


@pytest.mark.parametrize("length", [0, 11, 40, 100, -12, -1])
def test_a_truncated_mask_is_written_again(root, masks, length):
    convert(root, masks)
    whole = masks_below(masks)
    victim = masks / "train" / "aachen" / f"{STEMS[1]}_mask.png"
    victim.write_bytes(victim.read_bytes()[:length])
    outcomes = convert(root, masks).outcomes
    assert [outcome.reused for outcome in outcomes] == [True, False, True]
    assert masks_below(masks) == whole


def test_a_deleted_mask_is_written_again(root, masks):
    convert(root, masks)
    whole = masks_below(masks)
    (masks / "train" / "aachen" / f"{STEMS[1]}_mask.png").unlink()
    assert convert(root, masks).reused == 2
    assert masks_below(masks) == whole


@pytest.mark.parametrize(
    ("path", "make_bad"),
    [
        (city.annotation_path, lambda path: path.write_bytes(b"text")),
        (city.annotation_path, Path.unlink),
        (city.image_path, lambda path: path.write_bytes(b"text")),
        (city.image_path, lambda path: path.write_bytes(city.encode(Image.new("RGB", (5, 5))))),
        (city.image_path, Path.unlink),
    ],
    ids=["bad labels", "no labels", "bad image", "other size", "no image"],
)
def test_the_mask_of_a_frame_that_became_invalid_is_removed(root, masks, path, make_bad):
    convert(root, masks)
    make_bad(path(root, STEMS[1]))
    convert(root, masks)
    assert list(masks_below(masks)) == [
        f"train/aachen/{STEMS[0]}_mask.png",
        f"train/ulm/{STEMS[2]}_mask.png",
    ]


@pytest.mark.parametrize("content", [b"", b"notes", city.encode(city.street())])
def test_a_foreign_file_in_the_place_of_an_invalid_frames_mask_is_kept(root, masks, content):
    city.annotation_path(root, STEMS[1]).write_bytes(b"text")
    foreign = city.write(masks / "train" / "aachen" / f"{STEMS[1]}_mask.png", content)
    convert(root, masks)
    assert foreign.read_bytes() == content


def test_other_files_in_the_masks_folder_are_kept(root, masks):
    notes = city.write(masks / "train" / "aachen" / "notes.txt", b"notes")
    convert(root, masks)
    assert notes.read_bytes() == b"notes"


# Where masks cannot be written

CONVERT_OR_PRINT_ERROR = """
import resource, sys
from pathlib import Path
from cityseg.errors import CitysegError
from cityseg.data.masks import convert
if len(sys.argv) > 3:
    limit = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
except CitysegError as error:
    print(error)
"""


def block_with_file(path):
    city.write(path)


def block_with_folder(path):
    path.mkdir(parents=True)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (block_with_file, ""),
        (block_with_file, "train"),
        (block_with_file, "train/ulm"),
        (block_with_folder, "report.json"),
        (block_with_folder, "pixels.npz"),
    ],
)
def test_masks_that_could_not_be_written_are_an_error_before_the_work(root, masks, block, place):
    block(masks / place)
    calls = []
    with pytest.raises(CitysegError, match=rf"^Cannot write to {masks / place}.*(folder|file)"):
        convert(root, masks, progress=lambda *numbers: calls.append(numbers))
    assert (calls, masks_below(masks)) == ([], {})


@pytest.mark.parametrize("place", ["", "train", "train/ulm"])
def test_a_folder_without_permission_is_an_error_before_the_work(root, masks, place):
    (masks / "train" / "ulm").mkdir(parents=True)
    (masks / place).chmod(0o500)
    message = child.output_obeying_permissions(CONVERT_OR_PRINT_ERROR, root, masks)
    (masks / place).chmod(0o700)
    assert message.startswith(f"Cannot write to {masks / place}")
    assert "Permission denied" in message
    assert masks_below(masks) == {}


def test_a_folder_in_the_place_of_a_mask_is_an_error(root, masks):
    (masks / "train" / "aachen" / f"{STEMS[0]}_mask.png").mkdir(parents=True)
    with pytest.raises(
        DatasetError,
        match=r"^Masks cannot be written to .*/masks \(Is a directory\): check .* start again",
    ):
        convert(root, masks)


def test_a_write_that_fails_is_an_error(root, masks):
    message = child.output(CONVERT_OR_PRINT_ERROR, root, masks, 100)
    assert f"Masks cannot be written to {masks} (File too large)" in message


def test_a_write_that_fails_leaves_no_file(root, masks):
    child.output(CONVERT_OR_PRINT_ERROR, root, masks, 100)
    assert [path for path in masks.rglob("*") if path.is_file()] == []


def test_a_report_that_cannot_be_written_leaves_the_masks_and_no_report(tmp_path, masks):
    for number in range(20):
        city.write_frame(tmp_path / "data", f"x_{number}_0", label_ids=np.full((9, 9), 7, np.uint8))
    message = child.output(CONVERT_OR_PRINT_ERROR, tmp_path / "data", masks, 1000)
    assert "File too large" in message
    assert len(masks_below(masks)) == 20
    assert sorted(path.name for path in masks.iterdir()) == ["pixels.npz", "train"]


def test_a_mask_that_reads_back_differently_is_an_error_and_not_kept(root, masks, monkeypatch):
    monkeypatch.setattr("cityseg.data.png.decode_grey", lambda content: None)
    with pytest.raises(DatasetError, match="Masks cannot be written"):
        convert(root, masks)
    assert [path for path in masks.rglob("*") if path.is_file()] == []


# Interrupted, killed, and two at once

MANY = 200
CONVERT_AND_COUNT = """
import signal, sys
from pathlib import Path
from cityseg.data.masks import convert
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs are born without
convert(Path(sys.argv[1]), Path(sys.argv[2]), workers=2, max_images=int(sys.argv[3]),
        progress=lambda done, total: print(done, flush=True))
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Enough full-size frames to interrupt a conversion, all with the same annotation."""
    folder = tmp_path_factory.mktemp("many")
    first = city.write_frame(folder, "x_000_0", label_ids=city.street(1024, 2048))
    for number in range(1, MANY):
        stem = f"x_{number:03}_0"
        city.annotation_path(folder, stem).hardlink_to(first)
        city.image_path(folder, stem).hardlink_to(city.image_path(folder, "x_000_0"))
    return folder


@pytest.fixture(scope="module")
def whole_mask(many, tmp_path_factory):
    """The content that each mask of `many` must have."""
    masks = tmp_path_factory.mktemp("whole")
    convert(many, masks, max_images=1)
    (content,) = masks_below(masks).values()
    return content


def stop_after_the_first_frame(root, masks, number):
    """Send a signal to a running conversion; its return code."""
    with child.start(CONVERT_AND_COUNT, root, masks, MANY) as process:
        assert process.stdout.readline() == "1\n"
        process.send_signal(number)
        return process.wait(timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def killed(many, tmp_path_factory):
    """The masks folder of a conversion that was killed."""
    masks = tmp_path_factory.mktemp("killed")
    assert stop_after_the_first_frame(many, masks, signal.SIGKILL) == -signal.SIGKILL
    return masks


def test_a_killed_conversion_leaves_only_whole_masks(killed, whole_mask):
    found = masks_below(killed)
    assert 0 < len(found) < MANY
    assert set(found.values()) == {whole_mask}


def test_after_a_kill_a_second_run_writes_only_the_missing_masks(many, killed, masks, whole_mask):
    shutil.copytree(killed, masks)
    assert convert(many, masks).reused == len(masks_below(killed))
    assert list(masks_below(masks).values()) == [whole_mask] * MANY


KILLED_BEFORE_THE_THIRD_MASK_HAS_ITS_NAME = """
import itertools, os, signal, sys
from pathlib import Path
from cityseg.data import png
from cityseg.data.masks import convert
decode, calls = png.decode_grey, itertools.count(1)
def die_at_third(content):
    if next(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(content)
png.decode_grey = die_at_third
convert(Path(sys.argv[1]), Path(sys.argv[2]), workers=1)
"""


@pytest.fixture
def killed_while_writing(root, masks):
    with child.start(KILLED_BEFORE_THE_THIRD_MASK_HAS_ITS_NAME, root, masks) as process:
        assert process.wait(timeout=PATIENCE_SECONDS) == -signal.SIGKILL
    return masks


def test_a_mask_being_written_at_a_kill_stays_hidden(killed_while_writing):
    (leftover,) = leftovers(killed_while_writing)
    assert leftover.startswith(f".{STEMS[2]}_mask.png.")
    assert len(masks_below(killed_while_writing)) == 2


def test_after_a_kill_while_writing_a_second_run_ends_as_one_undisturbed(
    root, killed_while_writing, tmp_path
):
    convert(root, killed_while_writing)
    convert(root, tmp_path / "undisturbed")
    assert masks_below(killed_while_writing) == masks_below(tmp_path / "undisturbed")


@pytest.fixture(scope="module")
def interrupted(many, tmp_path_factory):
    """The masks folder of a conversion that was interrupted as by Ctrl-C."""
    masks = tmp_path_factory.mktemp("interrupted")
    assert stop_after_the_first_frame(many, masks, signal.SIGINT) == -signal.SIGINT
    return masks


def test_an_interrupted_conversion_ends_before_its_work_is_done(interrupted):
    assert 0 < len(masks_below(interrupted)) < MANY


def test_an_interrupted_conversion_leaves_whole_masks(interrupted, whole_mask):
    assert set(masks_below(interrupted).values()) == {whole_mask}


def test_an_interrupted_conversion_leaves_no_unfinished_file(interrupted):
    assert leftovers(interrupted) == []


def test_an_interruption_in_the_progress_callback_ends_the_conversion(many, masks):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(many, masks, workers=1, progress=interrupt)
    assert 0 < len(masks_below(masks)) < MANY
    assert leftovers(masks) == []


def test_two_conversions_at_once_write_correct_masks(many, masks, whole_mask):
    code = "input()\n" + CONVERT_AND_COUNT  # both wait for a line, so that they start together
    with (
        child.start(code, many, masks, 60) as one,
        child.start(code, many, masks, 60) as other,
    ):
        for process in (one, other):
            process.stdin.write("\n")
            process.stdin.flush()
        for process in (one, other):
            assert len(process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines()) == 60
            assert process.returncode == 0
    assert list(masks_below(masks).values()) == [whole_mask] * 60
    assert leftovers(masks) == []
    assert json.loads((masks / "report.json").read_bytes())["converted"] == 60


# Imports and memory


def test_importing_masks_loads_no_torch_and_no_streamlit():
    heavy = "{'torch', 'torchvision', 'streamlit', 'plotly', 'wandb', 'pandas'}"
    printed = child.output(f"import sys, cityseg.data.masks\nprint({heavy} & sys.modules.keys())")
    assert printed == "set()\n"


def test_full_size_conversion_stays_below_300_mb(many, masks):
    code = """
import sys
from pathlib import Path
from cityseg.data.masks import convert
convert(Path(sys.argv[1]), Path(sys.argv[2]), max_images=20, workers=2)
# Not ru_maxrss: a process is born with that of its parent.
print(Path("/proc/self/status").read_text())
"""
    status = dict(
        line.split(":", 1) for line in child.output(code, many, masks).splitlines() if ":" in line
    )
    kilobytes, unit = status["VmHWM"].split()
    assert unit == "kB"
    assert 10_000 < int(kilobytes) < 300_000


# Genuine frames


def test_masks_of_genuine_frames_are_their_annotations_mapped_pixel_for_pixel(genuine, masks):
    frames = find_frames(genuine)[:24]
    report = convert(genuine, masks, max_images=24)
    assert (report.converted, report.skipped) == (len(frames), 0)
    for frame in frames:
        with Image.open(frame.label_ids) as label_ids:
            expected = naive_train_ids(np.array(label_ids))
        assert np.array_equal(pixels_of(frame.mask(masks)), expected)


def test_genuine_sources_are_not_touched(genuine, masks):
    paths = [frame.label_ids for frame in find_frames(genuine)[:24]]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    convert(genuine, masks, max_images=24)
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
