"""Planted faults of structure: when one is found, and how figures are cut where precision falls.

Mirrors no module: it tests scripts/bench_audit.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cityseg.review import Finding


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    return __import__("bench_audit")


def island(frame: str, top: int = 0, reason: str = "island") -> Finding:
    return Finding(frame, reason, 0.5, (top, 0, top + 4, 4), 16)


def test_recall_is_that_where_nine_of_ten_findings_are_right(bench: Any) -> None:
    faults = [bench.Fault("island", f"val/a/{number}", (1, 1, 6, 6)) for number in range(4)]
    findings = [island("val/a/0"), island("val/a/1"), island("val/a/2", 50), island("val/a/3")]
    found = bench.report("island", faults, [island("val/a/9", reason="hole"), *findings])
    assert found.startswith("island ")
    assert found.endswith(" recall 0.50 at precision ≥ 0.9; 3 of 4 findings right")


def test_a_finding_that_only_touches_a_fault_is_wrong(bench: Any) -> None:
    faults = [bench.Fault("island", "val/a/a", (2, 2, 6, 6))]
    for box, right in (
        ((2, 2, 6, 6), 1),
        ((0, 2, 8, 6), 1),
        ((0, 0, 60, 60), 0),
        ((4, 5, 9, 9), 0),
    ):
        finding = Finding("val/a/a", "neighbours", 0.5, box, 16)
        assert f"; {right} of 1 findings right" in bench.report("island", faults, [finding])


def test_of_two_copies_either_may_be_named(bench: Any) -> None:
    faults = [bench.Fault("exact_copy", "val/copy/a", None)]
    whole = (0, 0, 9, 9)
    for frame, other in (("val/copy/a", "train/a/a"), ("train/a/a", "val/copy/a")):
        finding = Finding(frame, "exact_copy", 1.0, whole, 81, "picture", other=other)
        assert "recall 1.00" in bench.report("exact_copy", faults, [finding])


@pytest.mark.soak
def test_planted_faults_are_found(script: Callable[..., tuple[str, str]]) -> None:
    out, _ = script("bench_audit", "--frames", 80, "--faults", 8)
    lines = {line.split()[0]: line for line in out.splitlines()}
    for reason in ("instances", "polygons", "exact_copy", "near_duplicate"):
        assert "recall 1.00" in lines[reason]
