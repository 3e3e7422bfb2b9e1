"""Findings: their order, how rarity is measured, and the table on disk."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from cityseg.review.findings import REASONS, Finding, label_name, ranked, rarity, write_findings


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
        *("reason", "score", "label", "other"),
    ]
    first, second = table.to_pylist()
    assert first == {
        **{"frame": "val/a/b", "side": "truth", "train_id": 13, "pixels": 4},
        **{"top": 1, "left": 2, "bottom": 3, "right": 5},
        **{"reason": "island", "score": 0.5, "label": "car", "other": "road"},
    }
    assert second["frame"] == "val/a/?"


def test_a_table_without_findings_has_all_columns(tmp_path: Path) -> None:
    write_findings(tmp_path / "none.parquet", [])
    table = parquet.read_table(tmp_path / "none.parquet")
    assert (table.num_rows, table.num_columns) == (0, 12)


def test_labels_have_names_and_what_is_none_its_number() -> None:
    assert (label_name(26), label_name(99)) == ("car", "99")


def test_reasons_are_sentences_without_a_stop() -> None:
    assert all(about[0].isupper() and about[-1] != "." for about in REASONS.values())
