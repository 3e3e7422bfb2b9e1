"""Cost as a dataset grows: each stage does its work on links, and slopes are exponents.

Mirrors no module: it tests scripts/bench_growth.py.
"""

from pathlib import Path
from typing import Any

import pytest

from cityseg.data import find_frames, load_catalogue
from cityseg.evaluation import load_evidence
from cityseg.review import read_findings

FRAMES = 40


@pytest.fixture
def bench_growth(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    return __import__("bench_growth")


def test_each_stage_does_its_work_on_all_frames(bench_growth: Any, tmp_path: Path) -> None:
    bench_growth.link_frames(tmp_path, FRAMES)
    for name in bench_growth.STAGES:
        cost = bench_growth.measured(name, tmp_path, FRAMES)
        assert cost.seconds > 0
        assert cost.peak_bytes >= 0
    frames = find_frames(tmp_path)
    assert len(frames) == FRAMES
    assert load_catalogue(frames, tmp_path / "masks").converted.all()
    assert load_evidence(tmp_path / "evidence").store.names == [frame.name for frame in frames]
    assert len(read_findings(tmp_path / "findings.parquet")) == FRAMES


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_the_slope_is_the_exponent_of_the_seconds(bench_growth: Any, exponent: int) -> None:
    one, other = (bench_growth.Cost(n, 1, 0.01 * n**exponent, 0) for n in (1_000, 100_000))
    assert bench_growth.slope(one, other) == pytest.approx(exponent)
