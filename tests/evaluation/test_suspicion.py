"""Regions where a network contradicts the annotation: which are found, and which come first."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from made_evidence import make_evidence
from pyarrow import parquet

from cityseg.errors import ScoreError
from cityseg.evaluation import load_evidence, suspicion
from cityseg.evaluation.suspicion import evidence_folders, suspicious_regions
from cityseg.review import FINDING_REASONS, Finding, Region, Verdict, VerdictCode, region_of

ROAD, BUILDING, WALL, CAR, TRUCK = 0, 2, 3, 13, 14


class Row(NamedTuple):
    """A region; of most tests it is one of 400 pixels that the network is sure of."""

    side: str
    train_id: int
    other: int
    frame: str = "val/a/a"
    top: int = 0
    left: int = 0
    height: int = 20
    width: int = 20
    contour: float = 0.2
    confidence: float = 0.9
    other_share: float = 1.0
    iou: float = 0.0


def write_parts(folder: Path, *parts: list[Row]) -> Path:
    """A table of regions in frames of 1000×1000 pixels, a file for each of `parts`."""
    (folder / "regions").mkdir(parents=True)
    road = Row("truth", ROAD, ROAD, height=1000, width=1000, contour=0.0, iou=1.0)
    for number, rows in enumerate(parts):
        path = folder / "regions" / f"part-{number:05}.parquet"
        whole = [road._replace(frame=name) for name in dict.fromkeys(row.frame for row in rows)]
        parquet.write_table(table_of([*(whole or [road]), *rows]), path)
    return folder


def table_of(rows: list[Row]) -> pa.Table:
    def column(values: list[float], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind)

    return pa.table(
        {
            "frame": pa.array([row.frame for row in rows]).dictionary_encode(),
            "side": pa.array([row.side for row in rows]).dictionary_encode(),
            "train_id": column([row.train_id for row in rows], pa.uint8()),
            "top": column([row.top for row in rows], pa.int32()),
            "left": column([row.left for row in rows], pa.int32()),
            "bottom": column([row.top + row.height for row in rows], pa.int32()),
            "right": column([row.left + row.width for row in rows], pa.int32()),
            "pixels": column([row.height * row.width for row in rows], pa.int64()),
            "contour_share": column([row.contour for row in rows], pa.float32()),
            "confidence": column([row.confidence for row in rows], pa.float32()),
            "margin": column([row.confidence for row in rows], pa.float32()),
            "entropy": column([1 - row.confidence for row in rows], pa.float32()),
            "other": column([row.other for row in rows], pa.uint8()),
            "other_share": column([row.other_share for row in rows], pa.float32()),
            "iou": column([row.iou for row in rows], pa.float32()),
        }
    )


def boxes(findings: list[Finding]) -> list[tuple[int, int]]:
    return [each.box[:2] for each in findings]


def test_a_swapped_and_a_missing_object_are_found_with_their_pixels(tmp_path: Path) -> None:
    truth = np.full((64, 64), BUILDING, np.uint8)
    truth[40:] = ROAD
    predicted = truth.copy()
    truth[10:30, 10:30] = TRUCK  # the network sees a car
    predicted[10:30, 10:30] = CAR
    predicted[42:60, 40:60] = CAR  # the annotation has road
    predicted[39, :40] = ROAD  # wobble
    make_evidence(tmp_path / "evidence", tmp_path / "city", {"a_0_0": (truth, predicted)}, 250)
    findings = suspicious_regions([tmp_path / "evidence"]).findings
    swapped, missing = sorted(findings, key=lambda each: each.box)
    assert (swapped.reason, swapped.label, swapped.predicted) == ("other_class", "truck", "car")
    assert (missing.reason, missing.label, missing.predicted) == ("no_counterpart", "road", "car")
    assert (missing.frame, missing.side, missing.box) == (
        "val/a/a_0_0",
        "prediction",
        (42, 40, 60, 60),
    )
    assert (missing.train_id, missing.run) == (CAR, "best.safetensors")
    assert missing.confidence == pytest.approx(250 / 255, abs=0.01)
    assert 0 < missing.score < 1
    for found, label_map in ((swapped, truth), (missing, predicted)):
        assert region_of(found, label_map).pixels == found.pixels
        assert found.reason in FINDING_REASONS


def test_what_the_network_is_surer_of_and_what_is_larger_comes_first(tmp_path: Path) -> None:
    rows = [
        Row("truth", TRUCK, CAR, top=100, confidence=0.6),
        Row("truth", TRUCK, CAR, top=200),
        Row("truth", TRUCK, CAR, top=300, height=40, width=40),
        Row("truth", TRUCK, CAR, top=400, other_share=0.6, iou=0.1),
    ]
    found = suspicious_regions([write_parts(tmp_path, rows)]).findings
    assert boxes(found) == [(300, 0), (200, 0), (100, 0), (400, 0)]


def test_wobble_of_a_boundary_does_not_fill_the_queue(tmp_path: Path) -> None:
    """Long, confident and thin regions lie behind a compact object."""
    strips = [
        Row("prediction", ROAD, BUILDING, top=50 * number, height=2, width=900, contour=1.0)
        for number in range(1, 15)
    ]
    rows = [*strips, Row("truth", TRUCK, CAR, top=900, confidence=0.7)]
    found = suspicious_regions([write_parts(tmp_path, rows)]).findings
    assert boxes(found)[0] == (900, 0)
    assert all(each.score < found[0].score / 10 for each in found[1:])


def test_what_the_network_often_mistakes_comes_later(tmp_path: Path) -> None:
    """In another part, so that all parts are counted before the first is weighed."""
    usual = [Row("truth", WALL, BUILDING, f"val/a/{number}") for number in range(20)]
    rare = [Row("truth", TRUCK, CAR, top=500, confidence=0.7)]
    trucks = [Row("truth", TRUCK, TRUCK, f"val/b/{number}", iou=1.0) for number in range(20)]
    found = suspicious_regions([write_parts(tmp_path, usual, rare + trucks)]).findings
    assert boxes(found)[0] == (500, 0)
    assert len(found) == 21


def test_where_two_surfaces_meet_comes_after_objects(tmp_path: Path) -> None:
    rows = [
        Row("truth", WALL, BUILDING, top=100),
        Row("truth", WALL, CAR, top=200, confidence=0.88),
        Row("truth", TRUCK, BUILDING, top=300, confidence=0.88),
    ]
    found = suspicious_regions([write_parts(tmp_path, rows)]).findings
    assert boxes(found)[-1] == (100, 0)


def test_regions_that_agree_or_are_void_or_tiny_are_left_out(tmp_path: Path) -> None:
    rows = [
        Row("truth", CAR, CAR, other_share=0.9, iou=0.8),
        Row("truth", CAR, ROAD, other_share=0.45, iou=0.3),
        Row("truth", CAR, 255),
        Row("truth", CAR, ROAD, height=4, width=5),
    ]
    assert suspicious_regions([write_parts(tmp_path, rows)]).findings == []


def test_a_region_without_a_counterpart_may_lie_on_many_classes(tmp_path: Path) -> None:
    rows = [Row("prediction", CAR, ROAD, other_share=0.3)]
    assert len(suspicious_regions([write_parts(tmp_path, rows)]).findings) == 1


def test_one_object_is_found_once(tmp_path: Path) -> None:
    """Its region in the truth, that of the prediction, and a part that the network sees otherwise.

    Another car in another frame or far away is another object.
    """
    rows = [
        Row("truth", TRUCK, CAR, top=100, height=40, width=40),
        Row("prediction", CAR, TRUCK, top=101, height=38, width=40, confidence=0.6),
        Row("prediction", WALL, TRUCK, top=602, left=5, confidence=0.3),
        Row("truth", TRUCK, CAR, "val/a/b", top=100),
        Row("truth", TRUCK, CAR, top=600),
    ]
    found = suspicious_regions([write_parts(tmp_path, rows)]).findings
    assert sorted((each.frame, each.box[0]) for each in found) == [
        *(("val/a/a", 100), ("val/a/a", 600), ("val/a/b", 100)),
    ]
    assert found[0].box == (100, 0, 140, 40)


def test_the_rest_of_an_object_comes_behind_others(tmp_path: Path) -> None:
    rows = [
        Row("truth", BUILDING, CAR, top=100),
        Row("truth", ROAD, CAR, top=121),
        Row("truth", ROAD, CAR, "val/a/b", confidence=0.5),
    ]
    found = suspicious_regions([write_parts(tmp_path, rows)]).findings
    assert [(each.frame, each.box[0]) for each in found][-1] in (("val/a/a", 121), ("val/a/a", 100))
    assert len(found) == 3


def test_the_best_are_kept_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [
        [
            Row("truth", TRUCK, CAR, f"val/a/{part}{row}", confidence=0.5 + 0.01 * (part + 5 * row))
            for row in range(8)
        ]
        for part in range(5)
    ]
    folder = write_parts(tmp_path, *parts)
    everything = suspicious_regions([folder]).findings
    assert len(everything) == 40
    monkeypatch.setattr(suspicion, "_MOST", 10)
    assert suspicious_regions([folder]).findings == everything[:10]
    assert suspicious_regions([folder], most=3).findings == everything[:3]


def test_networks_of_several_parts_are_ranked_together(tmp_path: Path) -> None:
    one = write_parts(tmp_path / "one", [Row("truth", TRUCK, CAR, "train/a/a", confidence=0.7)])
    two = write_parts(tmp_path / "two", [Row("truth", TRUCK, CAR, "train/b/b")])
    findings = suspicious_regions([one, two]).findings
    assert [(each.frame, each.run) for each in findings] == [
        *(("train/b/b", "two"), ("train/a/a", "one")),
    ]


def verdict(found: Finding, code: VerdictCode) -> Verdict:
    top, left, bottom, right = found.box
    return Verdict(
        reviewer="Ada",
        frame=found.frame,
        annotation="0123456789abcdef",
        region=Region.of(np.ones((bottom - top, right - left), np.bool_), top, left),
        truth=found.label,
        predicted=found.predicted,
        verdict=code,
    )


def test_verdicts_change_the_order(tmp_path: Path) -> None:
    """Walls that the network calls building are right after all: what is left of them sinks."""
    rows = [
        row
        for number in range(60)
        for row in (
            Row("truth", WALL, BUILDING, f"val/a/{number}", confidence=0.95),
            Row("prediction", CAR, ROAD, f"val/b/{number}", confidence=0.7),
        )
    ]
    folder = write_parts(tmp_path, rows)
    before = suspicious_regions([folder])
    assert before.verdicts == 0
    walls = [each for each in before.findings if each.label == "wall"]
    cars = [each for each in before.findings if each.label == "road"]
    assert walls[-1].score > cars[0].score
    verdicts = [verdict(each, "network_wrong") for each in walls[:20]]
    verdicts += [verdict(each, "wrong_label") for each in cars[:20]]
    after = suspicious_regions([folder], verdicts)
    assert after.verdicts == 40
    assert {each.label for each in after.findings[:60]} == {"road"}


def test_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, [])
    (folder / "regions" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ScoreError, match=r"regions cannot be read .*collect the evidence again"):
        suspicious_regions([folder])
    with pytest.raises(ScoreError, match="cannot be read"):
        suspicious_regions([tmp_path / "none"])


def test_evidence_is_found_in_a_run_below_a_folder_or_is_named_itself(tmp_path: Path) -> None:
    maps = {"a_0_0": (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8))}
    folder = tmp_path / "run" / "evidence" / "val-0"
    make_evidence(folder, tmp_path / "city", maps)
    data = tmp_path / "city"
    assert evidence_folders(tmp_path / "run", ["train", "val"], data) == [folder]
    assert evidence_folders(tmp_path / "run" / "evidence", ["val"], data) == [folder]
    assert evidence_folders(folder, ["val"], data) == [folder]
    for place in (tmp_path / "run", folder):
        with pytest.raises(ScoreError, match=r"no finished evidence of train.* python -m cityseg"):
            evidence_folders(place, ["train"], data)


def test_evidence_on_another_dataset_or_on_worse_pictures_is_not_taken(tmp_path: Path) -> None:
    maps = {"a_0_0": (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8))}
    own, other = tmp_path / "evidence" / "val-0", tmp_path / "evidence" / "val-1"
    make_evidence(own, tmp_path / "city", maps)
    make_evidence(other, tmp_path / "town", maps)  # the newer one
    assert evidence_folders(tmp_path, ["val"], tmp_path / "city") == [own]
    with pytest.raises(ScoreError, match=r"evidence on .*town only: collect it on .*city"):
        evidence_folders(other, ["val"], tmp_path / "city")
    about = load_evidence(own).about
    about.model_copy(update={"corruption": "fog:3"}).write(own)
    for place in (own, tmp_path):
        with pytest.raises(ScoreError, match=r"no finished evidence|evidence on .*town only"):
            evidence_folders(place, ["val"], tmp_path / "city")


def test_the_size_of_a_frame_does_not_depend_on_that_of_others(tmp_path: Path) -> None:
    small = np.zeros((64, 128), np.uint8)
    small[20:40, 20:40] = 13
    seen = np.where(small == 13, 15, small).astype(np.uint8)
    large = np.zeros((512, 1024), np.uint8)
    make_evidence(tmp_path / "one", tmp_path / "a", {"a_0_0": (small, seen)})
    make_evidence(
        tmp_path / "two", tmp_path / "b", {"a_0_0": (small, seen), "b_0_0": (large, large)}
    )
    alone, together = (suspicious_regions([tmp_path / name]).findings for name in ("one", "two"))
    assert [each.score for each in alone] == [each.score for each in together] != []
