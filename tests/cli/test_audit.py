"""`cityseg audit`: the summary by reason, the table, and errors before the work."""

from pathlib import Path

import numpy as np
import pytest
from city import annotation_path, image_path, write_frame
from made_evidence import make_evidence
from pyarrow import parquet

from cityseg.cli.main import main
from cityseg.data import find_frames
from cityseg.review import (
    Region,
    Verdict,
    annotation_digest,
    append,
    findings_folder,
    ledger_file,
    read_findings,
)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    root = tmp_path / "city"
    for split in ("train", "val"):
        for number in range(3):
            write_frame(root, f"town_000000_00000{number}", split)
    return root


def test_findings_are_summed_up_by_reason_and_written(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotation_path(city, "town_000000_000001").write_bytes(b"")
    table = tmp_path / "findings.parquet"
    assert main(["audit", str(city), "--out", str(table)]) == 0
    out = capsys.readouterr().out
    assert "      1  unreadable: The annotation or the picture cannot be read." in out
    assert "         1.00  train/town/town_000000_000001  empty_file" in out
    copies = "exact_copy: The picture is a copy of another frame's."
    assert copies in out
    assert f"Written to {table}." in out
    assert out.count("exact_copy") == 1
    rows = parquet.read_table(table).to_pylist()
    assert f"{len(rows)} findings in 6 frames." in out
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_one_split_is_examined(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(city), "--split", "val"]) == 0
    assert "findings in 3 frames." in capsys.readouterr().out


def test_findings_are_written_for_the_review(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(city), "--runs", str(tmp_path / "runs")]) == 0
    table = tmp_path / "reviews" / "city" / "audit.parquet"
    assert f"Written to {table}." in capsys.readouterr().out
    assert len(read_findings(table)) > 0


@pytest.fixture
def examined(tmp_path: Path) -> Path:
    """A run with evidence on the dataset `city` beside: the network sees cars for trucks."""
    maps = {}
    for number in range(30):
        truth = np.zeros((32, 32), np.uint8)
        truth[8:20, 8 : 20 + number % 5] = 14
        maps[f"ulm_000000_{number:06}"] = (truth, np.where(truth == 14, 13, truth).astype(np.uint8))
    make_evidence(tmp_path / "runs" / "r" / "evidence" / "val-0", tmp_path / "city", maps)
    return tmp_path / "runs" / "r"


def test_regions_that_a_network_contradicts_are_ranked_with_the_others(
    examined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, table = tmp_path / "city", tmp_path / "all.parquet"
    command = ["audit", str(data), "--evidence", str(examined), "--runs", str(examined.parent)]
    assert main([*command, "--out", str(table)]) == 0
    out = capsys.readouterr().out
    assert "     30  other_class: A network sees another class in the region." in out
    assert "verdicts" not in out
    reviews = tmp_path / "reviews" / "city"
    of_network, without = (read_findings(reviews / f"{n}.parquet") for n in ("network", "audit"))
    assert {each.reason for each in of_network} == {"other_class"}
    assert "other_class" not in {each.reason for each in without}
    assert len(read_findings(table)) == len(of_network) + len(without)
    assert {(each.label, each.predicted) for each in of_network} == {("truck", "car")}
    assert {each.evidence for each in of_network} == {str(examined / "evidence" / "val-0")}


def test_the_ranking_learns_from_verdicts_that_are_not_stale(
    examined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, runs = tmp_path / "city", examined.parent
    command = ["audit", str(data), "--evidence", str(examined), "--runs", str(runs)]
    assert main(command) == 0
    found = read_findings(findings_folder(data, runs) / "network.parquet")
    digests = {each.name: annotation_digest(each) for each in find_frames(data, ["val"])}
    verdicts = [
        Verdict(
            reviewer="Ada",
            frame=each.frame,
            annotation=digests[each.frame],
            region=Region.of(np.ones((each.box[2] - 8, each.box[3] - 8), np.bool_), 8, 8),
            truth="truck",
            predicted="car",
            verdict="wrong_label" if number % 2 else "network_wrong",
        )
        for number, each in enumerate(found)
    ]
    append(ledger_file(data, runs), verdicts)
    capsys.readouterr()
    assert main(command) == 0
    assert "Ranked from 30 verdicts." in capsys.readouterr().out
    annotation_path(data, found[0].frame.rpartition("/")[2], "val").write_bytes(b"other")
    assert main(command) == 0
    assert "Ranked from" not in capsys.readouterr().out


def test_a_place_without_evidence_is_an_error_before_the_work(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(city), "--evidence", str(tmp_path)]) == 1
    assert "no finished evidence of train or" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_an_error_before_the_work(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(city), "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "it is a folder; name a file in it" in captured.err
    assert captured.out == ""
    assert main(["audit", str(city), "--out", str(tmp_path / "table.csv")]) == 1
    assert f"as Parquet: name {tmp_path / 'table.parquet'}" in capsys.readouterr().err
    image_path(city, "town_000000_000000").unlink()
    assert main(["audit", str(tmp_path / "none")]) == 1
    assert "There is no folder" in capsys.readouterr().err
