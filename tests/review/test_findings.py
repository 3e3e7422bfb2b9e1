"""Findings: their order, how rarity is measured, and the table on disk."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from cityseg.errors import ReviewError
from cityseg.review.findings import (
    REASONS,
    Finding,
    findings_folder,
    label_name,
    ranked,
    rarity,
    read_findings,
    region_of,
    write_findings,
)
from cityseg.review.ledger import ledger_file


def finding(score: float, frame: str = "val/a/b", reason: str = "island") -> Finding:
    return Finding(frame, reason, score, (1, 2, 3, 5), 4, label="car", train_id=13, other="road")


def test_the_most_suspicious_come_first() -> None:
    findings = [finding(0.2), finding(0.9, "val/a/c"), finding(0.9)]
    assert ranked(findings) == [findings[2], findings[1], findings[0]]


def test_rarity_grows_with_chances_and_falls_with_times() -> None:
    assert rarity(0, 10) < rarity(0, 100) < rarity(0, 10_000) < 1
    assert rarity(0, 100) > rarity(1, 100) > rarity(50, 100) > rarity(100, 100)
    assert rarity(100, 100) == pytest.approx(0, abs=0.01)
    assert rarity(np.array([0, 30]), np.array([0, 30])).tolist() == pytest.approx([0, 0], abs=0.01)


def test_a_table_has_the_columns_of_regions_and_reason_and_score(tmp_path: Path) -> None:
    path = tmp_path / "new" / "findings.parquet"
    write_findings(path, [finding(0.5), finding(0.25, "val/a/\udcff")])
    table = parquet.read_table(path)
    assert table.column_names == [
        *("frame", "side", "train_id", "top", "left", "bottom", "right", "pixels"),
        *("reason", "score", "label", "other", "predicted", "confidence", "run"),
    ]
    first, second = table.to_pylist()
    assert np.isnan(first.pop("confidence"))
    assert first == {
        **{"frame": "val/a/b", "side": "truth", "train_id": 13, "pixels": 4},
        **{"top": 1, "left": 2, "bottom": 3, "right": 5},
        **{"reason": "island", "score": 0.5, "label": "car", "other": "road"},
        **{"predicted": "", "run": ""},
    }
    assert second["frame"] == "val/a/?"


def test_a_table_without_findings_has_all_columns(tmp_path: Path) -> None:
    write_findings(tmp_path / "none.parquet", [])
    table = parquet.read_table(tmp_path / "none.parquet")
    assert (table.num_rows, table.num_columns) == (0, 15)


def test_labels_have_names_and_what_is_none_its_number() -> None:
    assert (label_name(26), label_name(99)) == ("car", "99")


def test_reasons_are_sentences_without_a_stop() -> None:
    assert all(about[0].isupper() and about[-1] != "." for about in REASONS.values())


def test_findings_lie_beside_their_ledger(tmp_path: Path) -> None:
    folder = findings_folder(tmp_path / "city", tmp_path / "runs")
    assert folder == tmp_path / "reviews" / "city"
    assert ledger_file(tmp_path / "city", tmp_path / "runs") == folder.with_suffix(".jsonl")


def test_findings_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "findings.parquet"
    of_network = replace(finding(0.5), predicted="truck", confidence=0.75, run="box")
    of_picture = Finding("val/a/b", "dark", 0.25, (0, 0, 4, 8), 32, "picture")
    write_findings(path, [of_network, of_picture])
    first, second = read_findings(path)
    assert first == of_network
    assert np.isnan(second.confidence)
    assert replace(second, confidence=0.0) == replace(of_picture, confidence=0.0)
    write_findings(path, [])
    assert read_findings(path) == []


@pytest.mark.parametrize("metadata", [None, {"evidence": "["}, {"evidence": '{"val box": 3}'}])
def test_where_the_evidence_of_a_network_lies_comes_along(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    path = tmp_path / "findings.parquet"
    network = replace(finding(0.5), confidence=0.75, run="box", evidence="/there/val-1")
    other = replace(network, frame="train/a/b", evidence="/there/train-1")
    write_findings(path, [network, other])
    assert read_findings(path) == [network, other]
    parquet.write_table(parquet.read_table(path).replace_schema_metadata(metadata), path)
    assert [each.evidence for each in read_findings(path)] == ["", ""]


def test_a_table_written_before_networks_were_asked_is_read(tmp_path: Path) -> None:
    path = tmp_path / "findings.parquet"
    write_findings(path, [finding(0.5)])
    table = parquet.read_table(path).drop_columns(["predicted", "confidence", "run"])
    parquet.write_table(table, path)
    (found,) = read_findings(path)
    assert (found.score, found.predicted, found.run) == (0.5, "", "")


def test_a_file_that_holds_no_findings_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "findings.parquet"
    with pytest.raises(ReviewError, match="No such file or directory"):
        read_findings(path)
    path.write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(ReviewError, match="it is damaged or no Parquet file"):
        read_findings(path)
    write_findings(path, [finding(0.5)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ReviewError, match="it is damaged or no Parquet file"):
        read_findings(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ReviewError, match="It is a pipe or a device"):
        read_findings(path)


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("score", None, "it has no column score"),
        ("frame", [1], "the column frame has a value of another type"),
        ("top", ["1"], "the column top has a value of another type"),
        ("label", [None], "the column label has a value of another type"),
        ("score", [float("nan")], "it has a score that is no number"),
        ("reason", ["taste"], "it has the unknown reason taste"),
    ],
)
def test_a_table_of_something_else_is_an_error(
    column: str, values: list[object] | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "findings.parquet"
    write_findings(path, [finding(0.5)])
    table = parquet.read_table(path)
    place = table.column_names.index(column)
    table = table.remove_column(place)
    if values is not None:
        table = table.append_column(column, pa.array(values))
    parquet.write_table(table, path)
    with pytest.raises(ReviewError, match=problem):
        read_findings(path)


#: Two cars that touch by a corner, and another one.
CARS = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 13, 13, 0, 0, 0, 0, 0],
        [0, 13, 13, 0, 0, 13, 13, 0],
        [0, 0, 0, 13, 0, 13, 13, 0],
    ],
    np.uint8,
)


def mask_of(found: Finding, label_map: np.ndarray = CARS) -> np.ndarray:
    region = region_of(found, label_map)
    mask = np.zeros(label_map.shape, np.bool_)
    mask[region.top : region.bottom, region.left : region.right] = region.mask()
    return mask


def test_a_region_is_the_component_in_the_box() -> None:
    wanted = np.zeros_like(CARS, dtype=np.bool_)
    wanted[1:3, 1:3] = True
    found = Finding("val/a/b", "island", 1.0, (1, 1, 3, 3), 4, label="car", train_id=13)
    assert np.array_equal(mask_of(found), wanted)


def test_a_region_of_an_enlarged_prediction_may_miss_the_box_a_little() -> None:
    large = np.kron(CARS, np.ones((10, 10), np.uint8))
    found = Finding("val/a/b", "island", 1.0, (11, 9, 31, 29), 380, "prediction", train_id=13)
    wanted = np.zeros_like(large, dtype=np.bool_)
    wanted[10:30, 10:30] = True
    assert np.array_equal(mask_of(found, large), wanted)


def test_where_no_component_fits_the_region_is_the_box() -> None:
    # The road continues far outside of the box.
    found = Finding("val/a/b", "polygons", 1.0, (1, 3, 3, 5), 3, label="road", train_id=0)
    wanted = np.zeros_like(CARS, dtype=np.bool_)
    wanted[1:3, 3:5] = True
    assert np.array_equal(mask_of(found), wanted)


@pytest.mark.parametrize(
    ("side", "box"),
    [("picture", (0, 0, 2, 2)), ("truth", (0, 0, 0, 0)), ("truth", (2, 2, 9, 4))],
)
def test_a_finding_of_a_frame_is_the_frame(side: str, box: tuple[int, int, int, int]) -> None:
    assert mask_of(Finding("val/a/b", "dark", 1.0, box, 0, side)).all()
