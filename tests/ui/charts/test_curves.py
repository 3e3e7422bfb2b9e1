"""The figure of curves: gaps, and colours by run."""

import math

import pytest

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


@pytest.mark.parametrize(("last", "step"), [(0.2, 1), (1, 1), (3, 1), (13, 2), (60, 5), (400, 50)])
def test_epochs_are_marked_by_whole_numbers(last: float, step: int) -> None:
    axis = line_chart([Curve("A run", [0.1, last], [1.0, 0.5])], y_title="Loss").layout.xaxis
    assert (axis.tick0, axis.dtick) == (0, step)


def test_other_axes_may_have_fractions() -> None:
    figure = line_chart([Curve("A", [0.5], [1.0])], y_title="GB", x_title="Minutes")
    assert figure.layout.xaxis.dtick is None


def test_a_single_score_is_not_drawn_above_negative_ones() -> None:
    one = line_chart([Curve("Box", [6], [0.4])], y_title="IoU", percent=True)
    assert one.layout.yaxis.range == (0, 1)
    two = line_chart([Curve("Run", [1, 2], [0.4, 0.5])], y_title="IoU", percent=True)
    assert two.layout.yaxis.range is None


def test_a_constant_rate_is_drawn_at_its_value() -> None:
    for values in ([1e-4, 1e-4], [1e-4, None, math.nan]):
        figure = line_chart([Curve("A", [1, 2, 3], values)], y_title="Learning rate")
        assert figure.layout.yaxis.range == (0, 2e-4)
    assert line_chart([Curve("A", [1], [0.0])], y_title="x").layout.yaxis.range is None


def test_there_is_no_severity_between_two() -> None:
    figure = line_chart([Curve("Fog", [0, 1, 3], [1, 1, 1])], y_title="IoU", x_title="Severity")
    assert figure.layout.xaxis.dtick == 1


def test_an_amount_may_begin_at_zero() -> None:
    curves = [Curve("A", [0.5, 1.0], [73.9, 73.8])]
    axes = [line_chart(curves, y_title="GB", from_zero=each).layout.yaxis for each in (True, False)]
    assert [axis.rangemode for axis in axes] == ["tozero", "normal"]


def test_the_ticks_of_scores_that_hardly_differ_can_be_told_apart() -> None:
    figure = line_chart([Curve("Run", [1, 2], [0.012, 0.021])], y_title="IoU", percent=True)
    assert figure.layout.yaxis.tickformat == ".3~p"  # 1.2%, 1.4%; whole percents would repeat
