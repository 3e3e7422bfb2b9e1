"""Charts: what a figure says of its numbers, and that text in it stays text."""

import math
from typing import Any

import numpy as np
import pytest

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME
from cityseg.metrics.scores import EVALUATED_CATEGORIES
from cityseg.ui.charts.confusion import IGNORED, confusion_matrix
from cityseg.ui.charts.scores import RUN_COLORS, Curve, Series, history, iou_bars

HOSTILE = '<img src=x onerror="alert(1)"> %{x} $x^2$'
HARMLESS = '&lt;img src=x onerror="alert(1)"&gt; &#37;{x} &#36;x^2&#36;'


def bars_of(figure: Any, name: str) -> dict[str, tuple[float, str]]:
    """Class -> length and text, of the bars called `name`."""
    (trace,) = [trace for trace in figure.data if trace.type == "bar" and trace.name == name]
    lengths = zip(trace.x, trace.text, strict=True)
    return dict(zip(trace.y, lengths, strict=True))


def order_of(figure: Any) -> list[str]:
    return list(figure.layout.yaxis.categoryarray)


def test_a_bar_is_as_long_as_the_score_and_says_it() -> None:
    figure = iou_bars([Series("a run", {"road": 0.937})])
    assert bars_of(figure, "a run")["road"] == (0.937, "93.7%")


@pytest.mark.parametrize("value", [None, math.nan])
def test_an_undefined_score_is_words_and_not_a_number(value: float | None) -> None:
    figure = iou_bars([Series("a run", {"road": value, "car": 0.0})])
    bars = bars_of(figure, "a run")
    assert bars["road"][1] == bars["bus"][1] == "not in these frames"
    assert bars["car"][1] == "0.0%"


def test_bars_of_one_run_have_the_colours_of_the_classes() -> None:
    (trace, *_) = iou_bars([Series("a run", {})]).data
    colors = dict(zip(trace.y, trace.marker.color, strict=True))
    assert colors["road"] == "rgb(128,64,128)"
    assert len(colors) == 19


def test_bars_of_several_runs_have_a_colour_for_each_and_swatches_for_the_classes() -> None:
    one, other, swatches = iou_bars([Series("one", {}), Series("other", {})]).data
    assert (one.marker.color, other.marker.color) == RUN_COLORS[:2]
    colors = dict(zip(swatches.y, swatches.marker.color, strict=True))
    assert colors["car"] == "rgb({},{},{})".format(*LABEL_OF_NAME["car"].color)


def test_a_category_has_no_class_colour_even_if_it_is_called_like_a_class() -> None:
    trace, swatches = iou_bars([Series("a run", {})], EVALUATED_CATEGORIES).data
    assert trace.marker.color == RUN_COLORS[0]
    assert not swatches.y


def test_bars_are_in_table_order_or_by_value_of_the_first_run() -> None:
    series = [Series("one", {"road": 0.1, "car": 0.8}), Series("other", {"road": 0.9})]
    assert order_of(iou_bars(series)) == list(CLASS_NAMES)
    assert order_of(iou_bars(series, by_value=True))[:2] == ["car", "road"]


def test_provisional_scores_are_hatched() -> None:
    series = [Series("official", {}), Series("in training", {}, provisional=True)]
    official, provisional, _ = iou_bars(series).data
    assert (official.marker.pattern.shape, provisional.marker.pattern.shape) == ("", "/")


def test_every_run_makes_room_for_its_bars() -> None:
    heights = [
        iou_bars([Series(str(n), {}) for n in range(count)]).layout.height for count in (1, 6)
    ]
    assert heights[1] - heights[0] == 5 * 19 * 14


def test_frequency_stands_beside_on_an_axis_where_small_shares_are_seen() -> None:
    figure = iou_bars([Series("a run", {})], frequency={"road": 0.4, "rider": 0.00012, "bus": 0.0})
    bars = bars_of(figure, "share of the pixels")
    assert bars["rider"] == (0.00012, "0.012%")
    assert bars["bus"] == (None, "")
    assert figure.layout.xaxis2.type == "log"
    assert figure.layout.xaxis2.range[0] == -4


def test_a_curve_has_gaps_where_nothing_is_defined() -> None:
    (line,) = history([Curve("a run", [1, 2, 3], [0.1, math.nan, None])], y_title="IoU").data
    assert line.x == (1, 2, 3)
    assert line.y == (0.1, None, None)


def test_curves_of_a_run_share_its_colour_and_differ_in_their_dashes() -> None:
    curves = [Curve("train", [1], [1.0], run=1), Curve("val", [1], [1.0], run=1, dashed=True)]
    train, val = history(curves, y_title="loss").data
    assert train.line.color == val.line.color == RUN_COLORS[1]
    assert train.line.dash != val.line.dash


def test_what_people_call_their_runs_is_no_markup_in_a_figure() -> None:
    figures = [
        iou_bars([Series(HOSTILE, {}), Series("other", {})]),
        history([Curve(HOSTILE, [1], [1.0])], y_title="loss"),
    ]
    for figure in figures:
        assert figure.data[0].name == HARMLESS
        assert HOSTILE not in figure.to_json()
        assert HARMLESS in figure.data[0].hovertemplate


@pytest.fixture
def pixels() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Of 1000 pixels of road, 970 are right and 30 are taken for an ignored label."""
    counts = np.zeros((19, 20), np.int64)
    counts[0, 0], counts[0, 19] = 970, 30
    return counts


def test_a_click_on_the_matrix_finds_row_and_column(pixels: Any) -> None:
    figure = confusion_matrix(pixels / 1000, pixels, of="road")
    points = figure.data[-1]
    assert (points.x, points.y) == (("road", IGNORED), ("road", "road"))
    assert [tuple(each) for each in points.customdata] == [
        (0, 0, "97%", "970"),
        (0, 19, "3%", "30"),
    ]


def test_cells_without_pixels_have_no_shade_and_small_shares_are_told_apart(pixels: Any) -> None:
    pixels[1, :3] = 1, 10, 9989
    shades = confusion_matrix(pixels / pixels.sum(), pixels, of="all").data[0].z
    assert np.isnan(shades[2]).all()
    assert np.nanmin(shades) == shades[1, 0] < shades[1, 1] < shades[1, 2]


def test_the_chosen_cell_is_framed(pixels: Any) -> None:
    (frame,) = confusion_matrix(pixels / 1000, pixels, of="road", chosen=(0, 19)).layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (18.5, 19.5, -0.5, 0.5)
