"""The figure of curves: gaps, and colours by run."""

import math

from cityseg.ui.charts.curves import Curve, line_chart
from cityseg.ui.charts.style import RUN_COLORS


def test_a_curve_has_gaps_where_nothing_is_defined() -> None:
    (line,) = line_chart([Curve("A run", [1, 2, 3], [0.1, math.nan, None])], y_title="IoU").data
    assert line.x == (1, 2, 3)
    assert line.y == (0.1, None, None)


def test_curves_of_a_run_share_its_colour_and_differ_in_their_dashes() -> None:
    curves = [Curve("Train", [1], [1.0], run=1), Curve("Val", [1], [1.0], run=1, dashed=True)]
    train, val = line_chart(curves, y_title="Loss").data
    assert train.line.color == val.line.color == RUN_COLORS[1]
    assert train.line.dash != val.line.dash


def test_the_title_of_a_run_is_no_markup() -> None:
    hostile = '<img src=x onerror="alert(1)"> %{x} $x^2$'
    figure = line_chart([Curve(hostile, [1], [1.0])], y_title="Loss")
    assert hostile not in figure.to_json()
    assert figure.data[0].name.startswith("&lt;img")
