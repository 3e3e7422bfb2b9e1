"""The shape of the pixels of a dataset: what proves it, and what a person names."""

import json
from pathlib import Path

import numpy as np
import pytest
from city import encode, image_path, street, write, write_frame
from made_pairs import write_pairs

from cityseg.data import (
    Report,
    convert,
    find_frames,
    picture_pixel_aspect,
    pixel_aspect_of,
    unpack_pairs,
)
from cityseg.data.pixel_aspect import PixelAspect, prove_pixel_aspect
from cityseg.errors import DatasetError

OFFICIAL = ("aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313")


def dataset(root: Path, stems: tuple[str, ...] = OFFICIAL, width: int = 64) -> Path:
    for seed, stem in enumerate(stems):
        label_ids = street(64, width, seed)
        write_frame(root, stem, label_ids=label_ids)
        write(image_path(root, stem), encode(np.repeat(label_ids[..., None], 3, 2)))
    return root


def proven(root: Path) -> PixelAspect:
    return prove_pixel_aspect(root, find_frames(root))


@pytest.mark.parametrize(("width", "aspect"), [(64, 2.0), (128, 1.0), (96, 1.3333), (32, 4.0)])
def test_official_names_prove_that_a_picture_shows_2_to_1(
    tmp_path: Path, width: int, aspect: float
) -> None:
    found = proven(dataset(tmp_path, width=width))
    assert found.value == aspect
    assert bool(found.evidence) == (aspect != 1)


def test_official_names_prove_it_in_any_split(tmp_path: Path) -> None:
    dataset(tmp_path)
    for side in ("leftImg8bit", "gtFine"):
        (tmp_path / side / "train").rename(tmp_path / side / "val")
    assert proven(tmp_path).value == 2


def test_other_names_prove_nothing(tmp_path: Path) -> None:
    assert proven(dataset(tmp_path, ("town_000000_000019",))) == PixelAspect()
    assert proven(dataset(tmp_path, (*OFFICIAL, "town_000000_000019"))) == PixelAspect()


def test_pictures_of_several_proportions_prove_nothing(tmp_path: Path) -> None:
    dataset(tmp_path)
    dataset(tmp_path, ("aachen_000002_000019",), width=128)
    assert proven(tmp_path) == PixelAspect()


def test_unreadable_pictures_prove_nothing(tmp_path: Path) -> None:
    dataset(tmp_path)
    for path in (tmp_path / "leftImg8bit").rglob("*.png"):
        path.write_bytes(b"")
    assert proven(tmp_path) == PixelAspect()


def test_pairs_are_squeezed_whatever_their_names(tmp_path: Path) -> None:
    unpack_pairs(write_pairs(tmp_path / "pairs", train=[1, 2]), tmp_path / "data")
    assert proven(tmp_path / "data").value == 2
    report = convert(tmp_path / "data")
    assert report.pixel_aspect == proven(tmp_path / "data")


def test_the_report_says_it_once(tmp_path: Path) -> None:
    root, masks = dataset(tmp_path / "data"), tmp_path / "masks"
    convert(root, masks)
    held = json.loads((masks / "report.json").read_text())["pixel_aspect"]
    assert (held["value"], held["is_named"]) == (2.0, False)
    frames = find_frames(root)
    assert pixel_aspect_of(root, masks, frames) == proven(root)
    convert(root, masks, pixel_aspect=1.5)
    assert pixel_aspect_of(root, masks, frames) == PixelAspect.named(1.5)


def test_a_named_shape_is_kept_by_later_conversions(tmp_path: Path) -> None:
    root = dataset(tmp_path)
    convert(root, pixel_aspect=1.0)
    assert convert(root).pixel_aspect == PixelAspect.named(1.0)
    assert pixel_aspect_of(root, root / "masks", find_frames(root)).value == 1


def test_masks_without_a_word_on_it_are_proven_again(tmp_path: Path) -> None:
    root = dataset(tmp_path)
    convert(root)
    path = root / "masks" / "report.json"
    held = json.loads(path.read_text())
    del held["pixel_aspect"]
    path.write_text(json.dumps(held))
    loaded = Report.load(root / "masks")
    assert loaded
    assert loaded.pixel_aspect is None
    assert pixel_aspect_of(root, root / "masks", find_frames(root)).value == 2


@pytest.mark.parametrize("value", [0, -1, 1e9, "wide", None, float("nan")])
def test_an_impossible_shape_in_a_report_is_damage(tmp_path: Path, value: object) -> None:
    root = dataset(tmp_path)
    convert(root)
    path = root / "masks" / "report.json"
    held = json.loads(path.read_text())
    held["pixel_aspect"]["value"] = value
    path.write_text(json.dumps(held))
    with pytest.raises(DatasetError, match="is damaged: remove it and convert again"):
        Report.load(root / "masks")
    assert convert(root).pixel_aspect == proven(root)


def test_the_name_of_a_picture_proves_its_own_shape() -> None:
    square = np.zeros((8, 8, 3), np.uint8)
    assert picture_pixel_aspect(Path("x/aachen_000000_000019_leftImg8bit.jpg"), square) == 2
    assert picture_pixel_aspect(Path("aachen_000000_000019.png"), square[:4]) == 1
    assert picture_pixel_aspect(Path("holiday.jpg"), square) == 1
