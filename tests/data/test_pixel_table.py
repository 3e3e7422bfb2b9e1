"""The counts beside the masks: exact, kept over conversions, written whole or not at all."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import child
import city
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from waiting import PATIENCE_SECONDS

from cityseg.arrays import Uint8Array
from cityseg.data.masks import convert
from cityseg.data.pixel_table import PIXELS, label_pixels, read_pixel_table
from cityseg.errors import DatasetError

STREET, OTHER = "train/aachen/aachen_000000_000019", "val/ulm/ulm_000000_000019"
label_maps = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 33))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two frames of different streets, one in train, one in val."""
    folder = tmp_path / "data"
    city.write_frame(folder, "aachen_000000_000019")
    city.write_frame(folder, "ulm_000000_000019", "val", label_ids=city.street(seed=1))
    return folder


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return tmp_path / "masks"


def counted(masks: Path) -> dict[str, list[int]]:
    return {name: row.pixels.tolist() for name, row in read_pixel_table(masks).items()}


def pixels_of(label_ids: Uint8Array) -> list[int]:
    return [int((label_ids == label_id).sum()) for label_id in range(34)]


@settings(deadline=None)
@given(label_maps)
def test_pixels_of_any_map_are_counted_exactly(label_ids: Uint8Array) -> None:
    assert label_pixels(label_ids).tolist() == pixels_of(label_ids)


def test_pixels_of_a_map_seen_sideways_are_counted() -> None:
    assert label_pixels(city.street().T).tolist() == pixels_of(city.street())


def test_before_any_conversion_the_table_is_empty(masks: Path) -> None:
    assert read_pixel_table(masks) == {}


def test_a_conversion_counts_every_frame(root: Path, masks: Path) -> None:
    convert(root, masks)
    streets = {STREET: city.street(), OTHER: city.street(seed=1)}
    assert counted(masks) == {name: pixels_of(street) for name, street in streets.items()}


def test_polygons_are_counted_as_they_are_drawn(tmp_path: Path, masks: Path) -> None:
    square = {"label": "road", "polygon": [[0, 0], [3, 0], [3, 3], [0, 3]]}
    city.write(city.image_path(tmp_path, "x_0_0"), city.encode(np.zeros((10, 20), np.uint8)))
    city.write(
        city.annotation_path(tmp_path, "x_0_0", kind="polygons.json"),
        city.polygons_file(square, size_hw=(10, 20)),
    )
    convert(tmp_path, masks)
    pixels = counted(masks)["train/x/x_0_0"]
    assert (pixels[7], pixels[0], sum(pixels)) == (12, 188, 200)  # no lowest row


def test_a_skipped_frame_has_no_counts(root: Path, masks: Path) -> None:
    convert(root, masks)
    city.annotation_path(root, "aachen_000000_000019").write_bytes(b"gone bad")
    convert(root, masks)
    assert counted(masks).keys() == {OTHER}


def test_a_changed_annotation_is_counted_again(root: Path, masks: Path) -> None:
    convert(root, masks)
    city.write_frame(root, "aachen_000000_000019", label_ids=city.street(seed=5))
    convert(root, masks)
    assert counted(masks)[STREET] == pixels_of(city.street(seed=5))


def test_a_conversion_of_one_split_keeps_the_counts_of_the_others(root: Path, masks: Path) -> None:
    convert(root, masks, splits=["train"])
    convert(root, masks, splits=["val"])
    assert counted(masks).keys() == {STREET, OTHER}


def test_a_conversion_of_the_first_frames_keeps_the_counts_of_the_rest(
    root: Path, masks: Path
) -> None:
    convert(root, masks)
    convert(root, masks, max_images=1)
    assert counted(masks).keys() == {STREET, OTHER}


def test_a_removed_frame_loses_its_row(root: Path, masks: Path) -> None:
    convert(root, masks)
    city.annotation_path(root, "ulm_000000_000019", "val").unlink()
    city.image_path(root, "ulm_000000_000019", "val").unlink()
    city.write_frame(root, "ulm_000001_000019", "val")
    convert(root, masks)
    assert counted(masks).keys() == {STREET, "val/ulm/ulm_000001_000019"}


@pytest.mark.parametrize("content", [None, b"", b"torn"], ids=["missing", "empty", "torn"])
def test_lost_counts_are_counted_again_and_the_masks_kept(
    root: Path, masks: Path, content: bytes | None
) -> None:
    convert(root, masks)
    before = counted(masks)
    (masks / PIXELS).unlink()
    if content is not None:
        (masks / PIXELS).write_bytes(content)
    assert convert(root, masks).reused == 2
    assert counted(masks) == before


def test_counts_that_are_known_are_not_counted_again(
    root: Path, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(root, masks)
    before = counted(masks)

    def refuse(path: Path) -> Uint8Array:
        raise AssertionError(path)

    monkeypatch.setattr("cityseg.data.masks.read_label_ids", refuse)
    convert(root, masks)
    assert counted(masks) == before


def test_an_interrupted_conversion_keeps_what_it_counted(root: Path, masks: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(root, masks, workers=1, progress=interrupt)
    assert counted(masks).keys() == {STREET}


def test_two_conversions_of_different_splits_at_once_lose_nothing(root: Path, masks: Path) -> None:
    for number in range(40):
        for split in ("train", "val"):
            city.write_frame(root, f"bonn_{number:06}_000019", split)
    code = """
import sys
from pathlib import Path
from cityseg.data.masks import convert
input()
convert(Path(sys.argv[1]), Path(sys.argv[2]), splits=[sys.argv[3]])
"""
    with (
        child.start(code, root, masks, "train") as one,
        child.start(code, root, masks, "val") as other,
    ):
        for process in (one, other):
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        for process in (one, other):
            process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0
    assert len(counted(masks)) == 82


def test_where_there_are_no_locks_frames_are_counted_too(
    root: Path, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    convert(root, masks)
    assert len(counted(masks)) == 2


def test_names_that_are_not_utf_8_keep_their_counts(tmp_path: Path, masks: Path) -> None:
    city.write_frame(tmp_path, os.fsdecode(b"z\xfcrich_000000_000019"))
    convert(tmp_path, masks)
    (name,) = read_pixel_table(masks)
    assert os.fsencode(name) == b"train/z\xfcrich/z\xfcrich_000000_000019"


def arrays_of(**changed: Any) -> dict[str, Any]:
    """The arrays of pixels.npz, some of them changed."""
    whole = {
        "names": np.array(["train/a/a_0_0"]),
        "stamps": np.array(["1"]),
        "pixels": np.zeros((1, 34), np.uint32),
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


@pytest.mark.parametrize(
    "changed",
    [
        {"names": None},
        {"pixels": np.zeros((2, 34), np.uint32)},
        {"pixels": np.zeros((1, 19), np.uint32)},
        {"pixels": np.zeros((1, 34), np.float64)},
        {"stamps": np.zeros(1)},
        {"stamps": np.array(["1", "2"])},
        {"names": np.array([{"a": 1}], object)},
    ],
    ids=["missing", "rows", "columns", "floats", "no texts", "too many", "pickled"],
)
def test_what_is_no_table_of_counts_is_an_error(masks: Path, changed: dict[str, Any]) -> None:
    masks.mkdir()
    np.savez(masks / PIXELS, **arrays_of(**changed))
    with pytest.raises(DatasetError, match=r"pixels\.npz is damaged: remove it and convert again"):
        read_pixel_table(masks)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_archive_of_arrays_is_an_error(masks: Path, content: bytes) -> None:
    city.write(masks / PIXELS, content)
    with pytest.raises(DatasetError, match="is damaged"):
        read_pixel_table(masks)


def test_a_flipped_bit_anywhere_is_an_error_or_makes_no_difference(root: Path, masks: Path) -> None:
    convert(root, masks)
    whole, before = (masks / PIXELS).read_bytes(), counted(masks)
    errors = 0
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        (masks / PIXELS).write_bytes(flipped)
        try:
            assert counted(masks) == before
        except DatasetError:
            errors += 1
    assert errors > len(whole) / 2


def test_a_table_that_claims_to_be_enormous_is_refused_before_it_is_read(
    root: Path, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(root, masks)
    monkeypatch.setattr("cityseg.data.pixel_table._MAX_BYTES", 100)
    monkeypatch.setattr("numpy.load", None)
    with pytest.raises(DatasetError, match="is damaged"):
        read_pixel_table(masks)
