"""Figures of confidence: only bins with pixels, and the mark of a threshold on the curve."""

import numpy as np
import pytest

from cityseg.metrics import risk_coverage
from cityseg.ui.charts import ReliabilityCurve, RiskCurve, reliability_diagram, risk_coverage_chart


def test_empty_bins_are_no_points_and_full_ones_are_larger() -> None:
    curve = ReliabilityCurve(
        "A", np.array([0.2, np.nan, 0.9]), np.array([0.1, np.nan, 1.0]), np.array([1, 0, 99])
    )
    diagonal, line = reliability_diagram([curve]).data
    assert diagonal.x == diagonal.y == (0, 1)
    assert line.x == (0.2, 0.9)
    assert line.marker.size[0] < line.marker.size[1]
    assert line.customdata[1] == ["90.0%", "100.0%", "99%"]


def test_the_mark_lies_on_the_curve() -> None:
    histogram = np.zeros((19, 19, 32), np.int64)
    histogram[0, 0, 31], histogram[1, 0, 3] = 3, 1
    found = risk_coverage(histogram)
    line, mark = risk_coverage_chart([RiskCurve("A", found.coverage, found.risk, 32)]).data
    assert (mark.x[0], mark.y[0]) == pytest.approx((1, 0.25))
    assert line.x[-1] == 1
