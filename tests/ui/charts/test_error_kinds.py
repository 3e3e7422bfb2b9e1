"""Bars of 1 − IoU by kind: they lie end to end, and say what they are of when clicked."""

import numpy as np
import pytest

from cityseg.labels import CLASS_NAMES
from cityseg.ui.charts import Errors, error_bars


def shares(*rows: tuple[float, float, float]) -> np.ndarray:
    found = np.full((19, 3), np.nan)
    found[: len(rows)] = rows
    return found


def test_the_parts_of_a_class_lie_end_to_end() -> None:
    figure = error_bars([Errors("A", shares((0.1, 0.2, 0.3)))], [0])
    boundary, extent, segment = figure.data[:3]
    assert [bar.base[0] for bar in (boundary, extent, segment)] == pytest.approx([0, 0.1, 0.3])
    assert segment.customdata[0] == [0, 0, 2, "30.0%", "60.0%"]


def test_classes_are_in_the_given_order_and_runs_in_groups() -> None:
    runs = [Errors("A", shares((0.1, 0, 0), (0.2, 0, 0))), Errors("<b>", shares((0.3, 0, 0)))]
    figure = error_bars(runs, [1, 0])
    bars = [bar for bar in figure.data if bar.customdata]
    assert {bar.y for bar in bars} == {(CLASS_NAMES[1], CLASS_NAMES[0])}
    assert [bar.offsetgroup for bar in bars] == ["0"] * 3 + ["1"] * 3
    assert bars[3].x == (0, 0.3)  # undefined is no bar
    assert [bar.name for bar in figure.data if bar.x == (None,)] == ["A", "&lt;b&gt;"]
