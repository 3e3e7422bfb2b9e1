"""Unpacking pairs: names, labels, what is skipped, what is kept, what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from city import annotation_path, decode, encode, image_path, write, write_frame
from made_pairs import SIDE, large_street, pair_file, photo, sampled, write_pairs

from cityseg.data import convert, find_frames, unpack_pairs
from cityseg.data.official_names import official_stems
from cityseg.data.pairs import find_pairs
from cityseg.errors import DatasetError

NUMBER_2 = "pairs_000000_000002"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_pairs_become_a_dataset_that_converts(tmp_path: Path) -> None:
    pairs, root = write_pairs(tmp_path / "pairs", train=[1, 2], val=[1]), tmp_path / "data"
    before, steps = contents(pairs), []
    report = unpack_pairs(pairs, root, progress=lambda *step: steps.append(step))
    assert (report.unpacked, report.already_there, report.skipped) == (3, 0, [])
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert contents(pairs) == before
    names = ["train/pairs/pairs_000000_000001", f"train/pairs/{NUMBER_2}"]
    assert [frame.name for frame in find_frames(root)] == [
        *names,
        "val/pairs/pairs_000000_000001",
    ]
    label_ids = decode(annotation_path(root, NUMBER_2).read_bytes())
    assert (
        label_ids == np.where(sampled(large_street(2)) == 1, 0, sampled(large_street(2)))
    ).mean() > 0.99
    converted = convert(root, root / "masks")
    assert (converted.converted, converted.skipped) == (3, 0)


def test_the_picture_keeps_its_pixels_as_decoded(tmp_path: Path) -> None:
    pairs, root = write_pairs(tmp_path / "pairs", train=[2]), tmp_path / "data"
    unpack_pairs(pairs, root)
    whole = decode((pairs / "train/2.jpg").read_bytes())
    picture = decode(image_path(root, NUMBER_2).read_bytes())
    assert np.abs(picture.astype(int) - whole[:, :SIDE]).max() <= 2  # decoders round differently


def test_unsure_pixels_become_void_on_request(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", train=[2])
    for unsure in ("best", "void"):
        unpack_pairs(pairs, tmp_path / unsure, unsure=unsure)
    best, void = (
        decode(annotation_path(tmp_path / unsure, NUMBER_2).read_bytes())
        for unsure in ("best", "void")
    )
    assert 0.001 < (best != void).mean() < 0.08
    assert (void[best != void] == 0).all()


def test_whole_splits_get_official_names(tmp_path: Path) -> None:
    for number in range(1, 501):
        write(tmp_path / "val" / f"{number}.jpg")
    found = find_pairs(tmp_path)
    assert found.official == ["val"]
    assert [pair.stem for pair in found.pairs] == list(official_stems("val"))
    assert found.pairs[9].path.name == "10.jpg"
    assert found.pairs[499].outputs(Path())[0] == Path(
        "leftImg8bit/val/munster/munster_000173_000019_leftImg8bit.png"
    )


@pytest.mark.parametrize("change", ["one missing", "one more"])
def test_other_numbers_are_kept(change: str, tmp_path: Path) -> None:
    for number in range(1, 501):
        write(tmp_path / "val" / f"{number}.jpg")
    if change == "one more":
        write(tmp_path / "val" / "501.jpg")
    else:
        (tmp_path / "val" / "7.jpg").rename(tmp_path / "val" / "501.jpg")
    found = find_pairs(tmp_path)
    assert found.official == []
    assert found.pairs[9].stem.startswith("pairs_000000_0000")


def test_pairs_are_found_two_levels_deeper_and_behind_links(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "disk", train=[1], val=[2])
    deep = tmp_path / "zip" / "cityscapes_data" / "cityscapes_data"
    deep.mkdir(parents=True)
    (deep / "train").symlink_to(pairs / "train")
    (deep / "val").symlink_to(pairs / "val")
    assert [pair.split for pair in find_pairs(tmp_path / "zip").pairs] == ["train", "val"]


def test_what_is_no_pair_is_skipped_with_a_reason(tmp_path: Path) -> None:
    pairs, train = write_pairs(tmp_path / "pairs", train=[1]), tmp_path / "pairs" / "train"
    whole = pair_file(seed=2)
    write(train / "2.jpg", whole[: len(whole) // 2])
    write(train / "3.jpg", encode(photo(), "JPEG"))
    write(train / "4.jpg", encode(np.hstack([photo(1), photo(2)]), "JPEG"))
    write(train / "5.jpg")
    write(train / "6.jpg", b"<html>")
    write(train / "01.jpg", whole)
    write(train / "notes.txt")
    write(train / "8.jpg", encode(np.zeros((1026, 2052, 3), np.uint8), "JPEG"))
    os.mkfifo(train / "7.jpg")
    report = unpack_pairs(pairs, tmp_path / "data")
    assert report.unpacked == 1
    assert report.found.ignored == 1
    assert report.reasons == {
        "damaged": 3, "same_number": 1, "wrong_size": 2, "no_color_map": 1, "unreadable": 1
    }  # fmt: skip
    small, large = (each.detail for each in report.skipped if each.reason == "wrong_size")
    assert "3.jpg has 256×256 pixels: a pair is twice as wide as high" in small
    assert "8.jpg has 2052×1026 pixels" in large
    assert len(find_frames(tmp_path / "data")) == 1


def test_an_interrupted_call_is_completed(tmp_path: Path) -> None:
    pairs, root = write_pairs(tmp_path / "pairs", train=[1, 2, 3]), tmp_path / "data"
    unpack_pairs(pairs, root)
    whole = contents(root)
    annotation_path(root, NUMBER_2).unlink()
    image_path(root, "pairs_000000_000003").write_bytes(b"")
    kept = annotation_path(root, "pairs_000000_000001").stat().st_mtime_ns
    report = unpack_pairs(pairs, root)
    assert (report.unpacked, report.already_there) == (2, 1)
    assert contents(root) == whole
    assert annotation_path(root, "pairs_000000_000001").stat().st_mtime_ns == kept


def test_another_dataset_is_not_mixed_with_pairs(tmp_path: Path) -> None:
    pairs, root = write_pairs(tmp_path / "pairs", train=[1]), tmp_path / "data"
    write_frame(tmp_path / "city", "city_0_0")
    before = contents(tmp_path / "city")
    with pytest.raises(DatasetError, match="has a folder leftImg8bit that was not unpacked"):
        unpack_pairs(pairs, tmp_path / "city")
    assert contents(tmp_path / "city") == before

    unpack_pairs(pairs, root)
    before = contents(root)
    with pytest.raises(DatasetError, match="in another way \\(unsure 'best'\\): name another"):
        unpack_pairs(pairs, root, unsure="void")
    others = write_pairs(tmp_path / "others", train=[2])
    with pytest.raises(DatasetError, match="unpacked from other pairs"):
        unpack_pairs(others, root)
    assert contents(root) == before


def test_pairs_that_were_moved_or_added_complete_the_dataset(tmp_path: Path) -> None:
    pairs, root = write_pairs(tmp_path / "pairs", train=[1]), tmp_path / "data"
    unpack_pairs(pairs, root)
    write_pairs(pairs, train=[2])
    assert unpack_pairs(pairs, root).unpacked == 1
    moved = pairs.rename(tmp_path / "moved")
    write_pairs(pairs, train=[3])
    assert unpack_pairs(moved, root).already_there == 2
    with pytest.raises(DatasetError, match="unpacked from other pairs"):
        unpack_pairs(pairs, root)


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train" / "street.jpg")
    with pytest.raises(DatasetError, match="has no pairs"):
        unpack_pairs(tmp_path, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    with pytest.raises(DatasetError, match="none cannot be read"):
        find_pairs(tmp_path / "none")
