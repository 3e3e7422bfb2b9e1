"""`cityseg audit`: the summary by reason, the table, and errors before the work."""

from pathlib import Path

import pytest
from city import annotation_path, image_path, write_frame
from pyarrow import parquet

from cityseg.cli.main import main
from cityseg.review import read_findings


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


def test_an_output_that_cannot_be_written_is_an_error_before_the_work(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(city), "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "it is a folder; name a file in it" in captured.err
    assert captured.out == ""
    image_path(city, "town_000000_000000").unlink()
    assert main(["audit", str(tmp_path / "none")]) == 1
    assert "There is no folder" in capsys.readouterr().err
