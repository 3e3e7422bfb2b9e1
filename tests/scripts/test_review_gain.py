"""What a review gains: its figures, and the whole of it at a tiny size.

Mirrors no module: it tests scripts/review_gain.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
ROAD, CAR, SKY = city.ROAD, city.CAR, city.SKY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight training frames of two cities and two of val: a car on the road, below the sky."""
    label_ids = np.full((64, 64), ROAD, np.uint8)
    label_ids[:24] = SKY
    label_ids[30:50, 20:44] = CAR
    for number in range(10):
        split, town = ("train" if number < 8 else "val"), ("ulm" if number % 2 else "bonn")
        stem = f"{town}_000000_{number:06}"
        city.write(city.image_path(tmp_path / "city", stem, split), city.encode(label_ids))
        city.write(city.annotation_path(tmp_path / "city", stem, split), city.encode(label_ids))
    return tmp_path / "city"


@pytest.fixture
def gain(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPTS)
    return __import__("review_gain")


def test_a_figure_has_its_mean_its_deviation_and_each_value(gain: Any) -> None:
    assert gain.mean_and_each([1.0, 3.0], "+.2f") == "+2.00 ± 1.41 (+1.00, +3.00)"
    assert gain.mean_and_each([1.0], ".1f") == "1.0 (1.0)"


@pytest.mark.soak
def test_a_review_continues_where_it_was(
    root: Path, tmp_path: Path, script: Callable[..., tuple[str, str]]
) -> None:
    sizes = ("--size", "32x32", "--epochs", 1, "--seeds", 1, "--judged", 5, "--share", 0.3)
    for workers in (("--workers", 2), ()):
        out, log = script(
            "review_gain", "--data", root, "--work", tmp_path / "work", *sizes, *workers
        )
        assert "gain" in out
    assert log.count("done before") == 4
