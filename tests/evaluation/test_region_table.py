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


#: By row: wrong pixels at a contour and others.
ERRORS = [(30, 20), (80, 60), (10, 40), (0, 0), (0, 30), (70, 0), (15, 250)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A part for each frame."""
    return write_parts(tmp_path, is_version_1=False)


def write_parts(folder: Path, *, is_version_1: bool) -> Path:
    table = table_of(ROWS)
    if is_version_1:
        table = table.drop_columns(["boundary_errors", "other_errors"])
    (folder / "regions").mkdir()
    for number, rows in enumerate((table[:4], table[4:])):
        parquet.write_table(rows, folder / "regions" / f"part-{number:05}.parquet")
    return folder


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
            "boundary_errors": pa.array([each for each, _ in ERRORS], pa.int64()),
            "other_errors": pa.array([each for _, each in ERRORS], pa.int64()),
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


def test_regions_of_a_kind_of_error_have_the_most_of_it_first(folder: Path) -> None:
    def errors_of(kind: str, side: str = "truth") -> list[tuple[int, int]]:
        found = find_regions(folder, RegionQuery(side, kind=kind))
        assert found.has_errors
        assert found.counted == sum(region.counted for region in found.first)
        return [(region.pixels, region.counted) for region in found.first]

    assert errors_of("boundary") == [(200, 80), (70, 70), (1000, 30), (50, 10)]
    assert errors_of("extent") == [(200, 60), (300, 30), (1000, 20)]
    assert errors_of("segment") == [(50, 40)]  # that of 70 has errors at its contour only
    assert errors_of("extent", "prediction") == [(500, 250)]
    cars = find_regions(folder, RegionQuery("truth", CAR, ROAD, "boundary"))
    assert pixels_of(cars) == [200, 70]


def test_evidence_of_version_1_is_ordered_by_what_it_has(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, is_version_1=True)
    assert pixels_of(find_regions(folder, RegionQuery("truth", CAR, kind="segment"))) == [70, 50]
    assert pixels_of(find_regions(folder, RegionQuery("truth", CAR, ROAD, "segment"))) == [70]
    extent = find_regions(folder, RegionQuery("truth", kind="extent"))
    assert [(region.pixels, region.counted) for region in extent.first] == [
        (200, 120),  # of which the table knows that 60 % are road
        (1000, 50),
        (300, 30),
    ]
    assert not extent.has_errors
    boundary = find_regions(folder, RegionQuery("truth", kind="boundary"))
    assert [region.counted for region in boundary.first] == [100, 100, 60]
    assert find_regions(folder, RegionQuery("prediction", CAR, kind="extent")).number == 0
    assert find_regions(folder, RegionQuery("truth", CAR, ROAD)).counted == 190


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
