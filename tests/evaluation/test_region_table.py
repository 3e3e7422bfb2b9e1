"""Questions to the table of regions, against a table that can be checked by eye."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from cityseg.errors import ScoreError
from cityseg.evaluation.region_table import FoundRegions, RegionQuery, find_regions

ROAD, SIDEWALK, CAR = 0, 1, 13
#: Frame, side, class, pixels, confidence, other class and its share, IoU, share at the contour.
ROWS = [
    ("val/ulm/a", "truth", ROAD, 1000, 0.9, ROAD, 0.95, 0.9, 0.1),
    ("val/ulm/a", "truth", CAR, 200, 0.4, ROAD, 0.6, 0.2, 0.5),
    ("val/ulm/a", "truth", CAR, 50, 0.3, SIDEWALK, 1.0, 0.0, 1.0),
    ("val/ulm/a", "prediction", CAR, 80, 0.5, CAR, 1.0, 0.3, 0.8),
    ("val/ulm/b", "truth", CAR, 300, 0.8, CAR, 0.9, 0.7, 0.2),
    ("val/ulm/b", "truth", CAR, 70, 0.6, ROAD, 1.0, 0.0, 0.9),
    ("val/ulm/b", "prediction", ROAD, 500, 0.7, SIDEWALK, 0.5, 0.4, 0.1),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A part for each frame."""
    (tmp_path / "regions").mkdir()
    for number, frame in enumerate(("val/ulm/a", "val/ulm/b")):
        rows = [row for row in ROWS if row[0] == frame]
        parquet.write_table(table_of(rows), tmp_path / "regions" / f"part-{number:05}.parquet")
    return tmp_path


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    frames, sides, classes, pixels, confidence, other, share, iou, contour = zip(*rows, strict=True)
    places = {
        name: pa.array([10 * at for at in range(len(rows))], pa.int32())
        for name in ("top", "left", "bottom", "right")
    }
    return pa.table(
        {
            "frame": pa.array(frames).dictionary_encode(),
            "side": pa.array(sides).dictionary_encode(),
            "train_id": pa.array(classes, pa.uint8()),
            **places,
            "pixels": pa.array(pixels, pa.int64()),
            "contour_share": pa.array(contour, pa.float32()),
            "confidence": pa.array(confidence, pa.float32()),
            "other": pa.array(other, pa.uint8()),
            "other_share": pa.array(share, pa.float32()),
            "iou": pa.array(iou, pa.float32()),
        }
    )


def pixels_of(found: FoundRegions) -> list[int]:
    return [region.pixels for region in found.first]


def test_without_conditions_the_largest_of_a_side_come_first(folder: Path) -> None:
    found = find_regions(folder, RegionQuery("truth"))
    assert pixels_of(found) == [1000, 300, 200, 70, 50]
    assert (found.number, found.counted) == (5, 1620)
    assert found.first[0]._replace(confidence=0, other_share=0, iou=0) == (
        *("val/ulm/a", "truth", ROAD),
        *(0, 0, 0, 0, 1000, 0, ROAD, 0, 0, 1000),
    )


def test_a_pair_of_classes_is_ordered_by_its_own_pixels(folder: Path) -> None:
    found = find_regions(folder, RegionQuery("truth", CAR, ROAD))
    assert [(region.pixels, region.counted) for region in found.first] == [(200, 120), (70, 70)]
    assert found.counted == 190


def test_a_segment_has_no_right_pixel(folder: Path) -> None:
    assert pixels_of(find_regions(folder, RegionQuery("truth", CAR, kind="segment"))) == [70, 50]
    assert pixels_of(find_regions(folder, RegionQuery("truth", CAR, ROAD, "segment"))) == [70]


def test_extent_and_boundary_are_regions_with_right_and_wrong_pixels(folder: Path) -> None:
    extent = find_regions(folder, RegionQuery("truth", kind="extent"))
    assert [(region.pixels, region.counted) for region in extent.first] == [
        (200, 120),  # of which the table knows that 60 % are road
        (1000, 50),
        (300, 30),
    ]
    boundary = find_regions(folder, RegionQuery("truth", kind="boundary"))
    assert [region.counted for region in boundary.first] == [100, 100, 60]
    assert find_regions(folder, RegionQuery("prediction", CAR, kind="extent")).number == 0


def test_size_confidence_and_frames_are_conditions(folder: Path) -> None:
    assert pixels_of(find_regions(folder, RegionQuery("truth", least_pixels=200))) == [
        1000,
        300,
        200,
    ]
    sure = RegionQuery("truth", confidence=(0.35, 0.65))
    assert pixels_of(find_regions(folder, sure)) == [200, 70]
    one = RegionQuery("truth", frames=("val/ulm/b",))
    assert pixels_of(find_regions(folder, one)) == [300, 70]
    assert find_regions(folder, RegionQuery("truth", frames=())).number == 0


def test_only_so_many_are_returned_but_all_are_counted(folder: Path) -> None:
    found = find_regions(folder, RegionQuery("truth"), most=2)
    assert pixels_of(found) == [1000, 300]
    assert (found.number, found.counted) == (5, 1620)


@pytest.mark.parametrize("breaking", ["damaged", "missing"])
def test_a_table_that_cannot_be_read_says_what_to_do(folder: Path, breaking: str) -> None:
    for path in (folder / "regions").iterdir():
        path.unlink()
    if breaking == "damaged":
        (folder / "regions" / "part-00000.parquet").write_bytes(b"no table")
    else:
        (folder / "regions").rmdir()
    with pytest.raises(ScoreError, match="collect the evidence again"):
        find_regions(folder, RegionQuery("truth"))
