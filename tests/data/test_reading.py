"""What a conversion keeps for whoever reads the dataset afterwards: encoding, label map, layout."""

from pathlib import Path

import city
import cv2
import numpy as np
import pytest

from cityseg.data.dataset import find_frames, layout_found, watched_folders
from cityseg.data.masks import convert
from cityseg.data.reading import (
    kept_reading,
    read_stored_values,
    reading_of,
    reading_of_folder,
)
from cityseg.data.report import REPORT, Report
from cityseg.data.verdict import Verdict
from cityseg.errors import DatasetError, MaskError
from cityseg.labels import LABEL_OF_NAME
from cityseg.system.files import read_json, write_json

BINARY = (city.street() == city.ROAD).astype(np.uint8)


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A dataset whose encoding cannot be judged."""
    city.write_frame(tmp_path, "a_0_0", label_ids=BINARY)
    return tmp_path


def test_without_masks_a_sample_is_examined(binary: Path) -> None:
    reading = reading_of(find_frames(binary), binary / "masks")
    assert kept_reading(binary / "masks") is None
    with pytest.raises(DatasetError, match="a mask of one label"):
        reading.label_ids(city.annotation_path(binary, "a_0_0"))


def test_the_encoding_of_the_conversion_is_kept(binary: Path) -> None:
    convert(binary, verdict=Verdict("trainids", "Named by --encoding"))
    reading = reading_of(find_frames(binary), binary / "masks")
    assert reading.encoding == "trainids"
    shown = reading.label_ids(city.annotation_path(binary, "a_0_0"))
    assert np.unique(shown).tolist() == [city.ROAD, city.SIDEWALK]
    assert reading_of_folder(binary / "gtFine" / "train") == reading


def test_masks_of_a_dataset_beside_the_folder_say_nothing_of_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        city.write_frame(root, "a_0_0")
    convert(first, tmp_path / "masks")
    assert reading_of_folder(first / "gtFine" / "train") is not None
    assert reading_of_folder(second / "gtFine" / "train") is None
    (tmp_path / "link").symlink_to(first)
    assert reading_of_folder(tmp_path / "link" / "gtFine") is not None


def test_the_label_map_of_the_conversion_is_kept(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "a_0_0")
    label_map = {"Strasse": LABEL_OF_NAME["road"], "blob": None}
    convert(tmp_path, label_map=label_map)
    reading = kept_reading(tmp_path / "masks")
    assert reading
    assert reading.label_map == label_map


def test_a_report_of_version_0_1_0_says_nothing_of_the_encoding(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "a_0_0")
    report = convert(tmp_path)
    content = read_json(tmp_path / "masks" / REPORT)
    first = ("frames", "converted", "reused", "skipped", "reasons", "outcomes")
    write_json(tmp_path / "masks" / REPORT, {name: content[name] for name in first})
    assert kept_reading(tmp_path / "masks") is None
    assert reading_of(find_frames(tmp_path), tmp_path / "masks").encoding == "labelids"
    assert Report.load(tmp_path / "masks") == Report(report.outcomes)


def test_stored_values_are_those_of_the_file(tmp_path: Path) -> None:
    street = city.street()
    grey = city.write(tmp_path / "grey.png", city.encode(street))
    colors = np.stack([street, street + np.uint8(1), street], axis=-1)
    rgb = city.write(tmp_path / "rgb.png", city.encode(colors))
    assert np.array_equal(read_stored_values(grey), street)
    assert np.array_equal(read_stored_values(rgb), colors)


def test_stored_values_of_16_bits_are_read_as_a_conversion_reads_them(tmp_path: Path) -> None:
    street = city.street()
    deep = street.astype(np.uint16)
    deep[0, 0] = 0xFFFF  # −1, as void
    path = city.write(tmp_path / "deep.png", city.encode(deep))
    expected = street.copy()
    expected[0, 0] = 255
    assert np.array_equal(read_stored_values(path), expected)
    city.write(path, city.encode(street.astype(np.uint16) * 1000))
    with pytest.raises(MaskError, match="16 bits a pixel, as instance ids have"):
        read_stored_values(path)
    assert cv2.imwrite(str(path), np.stack([deep] * 3, axis=-1))
    with pytest.raises(MaskError, match="no values of 8 bits"):
        read_stored_values(path)


# --- the layout ------------------------------------------------------------------------------


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    """A frame with fine and coarse annotations, which differ."""
    fine = city.write_frame(tmp_path, "a_0_0")
    path = str(fine).replace("gtFine", "gtCoarse")
    city.write(Path(path), city.encode(np.full_like(city.street(), city.ROAD)))
    return tmp_path


def annotation(root: Path, **options: Path) -> str:
    (frame,) = find_frames(root, **options)
    assert frame.label_ids
    return frame.label_ids.relative_to(root).parts[0]


def test_a_layout_chosen_for_a_conversion_need_not_be_named_again(coarse: Path) -> None:
    convert(coarse)
    assert layout_found(coarse) == ("cityscapes", False)
    convert(coarse, layout="gtCoarse")
    assert layout_found(coarse) == ("gtCoarse", True)
    assert annotation(coarse) == "gtCoarse"
    assert coarse / "gtFine" not in watched_folders(coarse)
    convert(coarse)
    assert annotation(coarse) == "gtCoarse"
    convert(coarse, layout="cityscapes")
    assert annotation(coarse) == "gtFine"


def test_the_layout_is_that_of_the_masks_in_use(coarse: Path, tmp_path: Path) -> None:
    masks = tmp_path / "elsewhere"
    convert(coarse, masks, layout="gtCoarse")
    assert annotation(coarse, masks=masks) == "gtCoarse"
    assert annotation(coarse) == "gtFine"


def test_a_kept_layout_that_is_gone_gives_way_to_what_lies_there(coarse: Path) -> None:
    convert(coarse, layout="gtCoarse")
    (coarse / "leftImg8bit").rename(coarse / "leftImg8bit_rain")
    assert annotation(coarse) == "gtFine"
    assert layout_found(coarse) == ("rain", False)
