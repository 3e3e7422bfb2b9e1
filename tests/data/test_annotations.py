"""Annotations are read exactly, or refused for each of the reasons."""

from pathlib import Path

import child
import city
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from cityseg.data import annotations
from cityseg.data.annotations import (
    REASONS,
    interpolation_share,
    read_grey_png,
    read_label_ids,
)
from cityseg.data.dataset import find_frames
from cityseg.errors import MaskError, ScoreError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)

#: Reasons that need an image beside the annotation, or a system that refuses: not a file's content.
NOT_OF_CONTENT = {
    "damaged_image",
    "missing_image",
    "missing_annotation",
    "truncated_image",
    "unreadable_image",
    "unreadable_file",
    "wrong_size",
}


def read(path, content):
    return read_label_ids(city.write(path, content))


def refusal(path, content):
    with pytest.raises(MaskError) as caught:
        read(path, content)
    return caught.value


# What is refused


@pytest.mark.parametrize("name", city.broken_annotations())
def test_a_broken_file_is_refused_for_its_reason(tmp_path, name):
    broken = city.broken_annotations()[name]
    assert refusal(tmp_path / f"file{broken.suffix}", broken.content).reason == broken.reason


@pytest.mark.parametrize("suffix", [".png", ".json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is only a pointer of Git LFS: fetch"),
        (b"\n<!doctype html><title>Sign in</title>", "is a web page: download"),
        (b"<html>", "is a web page: download"),
    ],
)
def test_what_a_failed_download_left_is_called_by_its_name(tmp_path, suffix, content, message):
    assert message in refusal(tmp_path / f"file{suffix}", content).detail


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (city.encode(np.zeros((4, 4), np.float32), "TIFF"), "is a TIFF: save it as PNG"),
        (b"\x93NUMPY\x01\x00", "is a NumPy array: save it as PNG"),
    ],
)
def test_a_label_map_of_another_format_is_to_be_saved_as_png(tmp_path, content, message):
    assert message in refusal(tmp_path / "file.png", content).detail


def test_every_reason_that_a_file_can_give_is_among_the_broken_files():
    reasons = {broken.reason for broken in city.broken_annotations().values()}
    assert reasons == REASONS.keys() - NOT_OF_CONTENT


@pytest.mark.parametrize("name", city.broken_annotations())
def test_a_refusal_names_the_file(tmp_path, name):
    broken = city.broken_annotations()[name]
    path = tmp_path / f"file{broken.suffix}"
    assert str(path) in refusal(path, broken.content).detail


def test_every_cut_of_a_file_is_called_truncated(tmp_path):
    content = city.encode(city.street()[:9, :9])
    cuts = range(1, len(content))
    assert {refusal(tmp_path / "f.png", content[:cut]).reason for cut in cuts} == {"truncated_file"}


def test_every_flipped_bit_is_noticed(tmp_path):
    content = city.encode(city.street()[:9, :9])
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        assert refusal(tmp_path / "f.png", bytes(changed)).reason in REASONS


def test_unknown_values_are_named(tmp_path):
    label_ids = city.with_pixel(city.with_pixel(city.street(), 34)[::-1], 200)
    assert refusal(tmp_path / "f.png", city.encode(label_ids)).detail.endswith(
        "no label ids (34, 200): fetch it again"
    )


@pytest.mark.parametrize(
    "make",
    [
        Path.mkdir,
        lambda path: None,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to("/proc/self/mem"),
    ],
    ids=["folder", "missing", "dangling link", "link to itself", "input/output error"],
)
@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_what_the_system_refuses_is_unreadable(tmp_path, make, suffix):
    path = tmp_path / f"file{suffix}"
    make(path)
    with pytest.raises(MaskError, match=f"{path} cannot be read \\([A-Z]") as caught:
        read_label_ids(path)
    assert caught.value.reason == "unreadable_file"


def test_a_file_without_permission_is_unreadable(tmp_path):
    path = city.write(tmp_path / "f.png", city.encode(city.street()))
    path.chmod(0)
    code = """
import sys
from pathlib import Path
from cityseg.data.annotations import read_label_ids
from cityseg.errors import MaskError
try:
    read_label_ids(Path(sys.argv[1]))
except MaskError as error:
    print(error.reason, error.detail)
"""
    message = child.output_obeying_permissions(code, path)
    assert message == f"unreadable_file {path} cannot be read (Permission denied): check the file\n"


# What is accepted


@unhurried
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2), elements=st.integers(19, 33)))
def test_label_ids_are_read_exactly(tmp_path_factory, label_ids):
    path = tmp_path_factory.getbasetemp() / "exactly.png"
    found = read(path, city.encode(label_ids))
    assert found.dtype == np.uint8
    assert np.array_equal(found, label_ids)


@pytest.mark.parametrize("suffix", [".PNG", ".jpg", ".webp"])
def test_a_png_of_another_name_is_read(tmp_path, suffix):
    found = read(tmp_path / f"f{suffix}", city.encode(city.street()))
    assert np.array_equal(found, city.street())


def test_a_polygons_file_with_an_upper_case_suffix_is_read(tmp_path):
    content = city.polygons_file(size_hw=(3, 4))
    assert read(tmp_path / "f.JSON", content).tolist() == [[0] * 4] * 3


def test_bytes_behind_the_end_of_a_png_do_no_harm(tmp_path):
    found = read(tmp_path / "f.png", city.encode(city.street()) + b"rest")
    assert np.array_equal(found, city.street())


@pytest.mark.parametrize("void", range(7))
def test_an_all_void_map_as_in_the_test_split_is_accepted(tmp_path, void):
    label_ids = np.full((20, 30), void, np.uint8)
    assert np.array_equal(read(tmp_path / "f.png", city.encode(label_ids)), label_ids)


def test_a_map_of_several_void_labels_is_accepted(tmp_path):
    label_ids = np.tile(np.arange(7, dtype=np.uint8).repeat(5), (20, 1))
    assert np.array_equal(read(tmp_path / "f.png", city.encode(label_ids)), label_ids)


def test_label_ids_up_to_18_are_accepted_where_road_outweighs_unlabeled(tmp_path):
    label_ids = np.repeat(np.arange(19, dtype=np.uint8), 10).reshape(1, -1)
    label_ids = np.vstack([label_ids, np.full_like(label_ids, city.ROAD)])
    assert np.array_equal(read(tmp_path / "f.png", city.encode(label_ids)), label_ids)


@pytest.mark.parametrize("size", [(512, 256), (384, 192), (128, 64), (256, 100), (100, 128)])
def test_a_map_resized_by_nearest_neighbour_is_accepted(tmp_path, size):
    resized = cv2.resize(city.street(), size, interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(read(tmp_path / "f.png", city.encode(resized)), resized)


# Edges after interpolation


#: Of its four neighbourhoods with an edge, one is a ramp: 7, 16, 26.
RAMP = np.array([7, 7, 16, 26, 26, 7], np.uint8)


def test_edges_that_jump_have_no_share_of_interpolation():
    assert interpolation_share(np.tile(np.where(RAMP == 16, 7, RAMP), (200, 1))) == 0


def test_a_line_one_pixel_wide_is_no_ramp():
    assert interpolation_share(np.tile(np.uint8([7, 7, 26, 7, 7]), (200, 1))) == 0


def test_a_thin_class_between_road_and_void_is_no_interpolation_in_train_ids(tmp_path):
    label_ids = np.tile(np.array([7, 7, 7, 8, 0, 0, 0, 8], np.uint8), (64, 16))
    path = tmp_path / "map.png"
    Image.fromarray(TRAIN_ID_OF_LABEL_ID[label_ids]).save(path)
    assert interpolation_share(TRAIN_ID_OF_LABEL_ID[label_ids]) > 0.3
    assert np.array_equal(read_label_ids(path, encoding="trainids"), label_ids)


def test_edges_that_pass_through_an_in_between_value_are_counted():
    assert interpolation_share(np.tile(RAMP, (200, 1))) == 0.25


def test_edges_of_columns_are_counted():
    assert interpolation_share(np.tile(RAMP, (200, 1)).T) == 0.25


def test_too_few_edges_say_nothing():
    assert interpolation_share(RAMP.reshape(1, 6)) == 0


# Genuine maps


def genuine_maps(genuine, count=24):
    """Paths of label maps, spread over the whole dataset."""
    paths = [frame.label_ids for frame in find_frames(genuine) if frame.label_ids]
    assert paths
    return paths[:: max(1, len(paths) // count)]


def pillow_pixels(path):
    with Image.open(path) as picture:
        return np.array(picture)


def test_genuine_maps_are_read_as_pillow_reads_them(genuine):
    for path in genuine_maps(genuine):
        assert np.array_equal(read_label_ids(path), pillow_pixels(path))


def test_genuine_instance_maps_are_refused(genuine):
    for frame in find_frames(genuine)[:6]:
        with pytest.raises(MaskError, match="wrong_depth"):
            read_label_ids(frame.instance_ids)


def test_train_ids_of_genuine_maps_are_refused(genuine, tmp_path):
    for path in genuine_maps(genuine):
        train_ids = city.train_ids_of(pillow_pixels(path))
        assert refusal(tmp_path / "f.png", city.encode(train_ids)).reason == "train_ids"


def test_train_ids_of_genuine_maps_are_refused_without_255_too(genuine, tmp_path):
    for path in genuine_maps(genuine):
        train_ids = city.train_ids_of(pillow_pixels(path))
        filled = np.where(train_ids == 255, 2, train_ids)
        assert refusal(tmp_path / "f.png", city.encode(filled)).reason == "train_ids"


@pytest.mark.parametrize("size", [(1024, 512), (512, 256), (2048, 512), (1024, 1024)])
@pytest.mark.parametrize("method", [cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC])
def test_interpolated_genuine_maps_are_refused(genuine, tmp_path, size, method):
    for path in genuine_maps(genuine, count=6):
        resized = cv2.resize(pillow_pixels(path), size, interpolation=method)
        content = city.encode(np.minimum(resized, city.BICYCLE), compress_level=1)
        assert refusal(tmp_path / "f.png", content).reason == "interpolated"


@pytest.mark.parametrize("size", [(1024, 512), (512, 256), (256, 128), (2048, 512), (1024, 1024)])
def test_genuine_maps_resized_by_nearest_neighbour_are_read(genuine, tmp_path, size):
    for path in genuine_maps(genuine, count=6):
        resized = cv2.resize(pillow_pixels(path), size, interpolation=cv2.INTER_NEAREST)
        content = city.encode(resized, compress_level=1)
        assert np.array_equal(read(tmp_path / "f.png", content), resized)


# Grey pictures of other kinds


def test_a_grey_png_that_claims_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    path = city.write(tmp_path / "a.png", city.grey_png(1 << 13, 1 << 13, city.chunk(b"IDAT", b"")))
    monkeypatch.setattr(annotations, "decode_as_stored", None)  # would be called otherwise
    with pytest.raises(ScoreError, match=r"a\.png claims 8192×8192 pixels"):
        read_grey_png(path, np.uint8)
