"""The figure of IoU bars: lengths, texts, colours and order."""

import math
from typing import Any

import pytest

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME
from cityseg.metrics.scores import EVALUATED_CATEGORIES
from cityseg.ui.charts.iou import Series, iou_bars
from cityseg.ui.charts.style import RUN_COLORS

HOSTILE = '<img src=x onerror="alert(1)"> %{x} $x^2$'
HARMLESS = '&lt;img src=x onerror="alert(1)"&gt; &#37;{x} &#36;x^2&#36;'


def bars_of(figure: Any, name: str) -> dict[str, tuple[float, str]]:
    """Class -> length and text, of the bars called `name`."""
    (trace,) = [trace for trace in figure.data if trace.type == "bar" and trace.name == name]
    lengths = zip(trace.x, trace.text, strict=True)
    return dict(zip(trace.y, lengths, strict=True))


def order_of(figure: Any) -> list[str]:
    return list(figure.layout.yaxis.categoryarray)


def test_a_bar_has_the_length_of_the_score_and_its_text() -> None:
    figure = iou_bars([Series("a run", {"road": 0.937})])
    assert bars_of(figure, "a run")["road"] == (0.937, "93.7%")


@pytest.mark.parametrize("value", [None, math.nan])
def test_an_undefined_score_is_a_text_and_no_number(value: float | None) -> None:
    figure = iou_bars([Series("a run", {"road": value, "car": 0.0})])
    bars = bars_of(figure, "a run")
    assert bars["road"][1] == bars["bus"][1] == "Not in these frames"
    assert bars["car"][1] == "0.0%"


def test_bars_of_one_run_have_the_colours_of_the_classes() -> None:
    (trace,) = iou_bars([Series("a run", {})]).data
    colors = dict(zip(trace.y, trace.marker.color, strict=True))
    assert colors["road"] == "rgb(128,64,128)"
    assert len(colors) == 19


def test_bars_of_several_runs_have_a_colour_for_each_and_swatches_for_the_classes() -> None:
    one, other, swatches = iou_bars([Series("one", {}), Series("other", {})]).data
    assert (one.marker.color, other.marker.color) == RUN_COLORS[:2]
    colors = dict(zip(swatches.y, swatches.marker.color, strict=True))
    assert colors["car"] == "rgb({},{},{})".format(*LABEL_OF_NAME["car"].color)


def test_a_category_has_no_class_colour_although_one_is_called_like_a_class() -> None:
    (trace,) = iou_bars([Series("a run", {})], EVALUATED_CATEGORIES).data
    assert trace.marker.color == RUN_COLORS[0]
    series = [Series("one", {}), Series("other", {})]
    one, _other, swatches = iou_bars(series, EVALUATED_CATEGORIES).data
    assert one.marker.color == RUN_COLORS[0]
    assert not swatches.y


def test_bars_are_in_table_order_or_by_value_of_the_first_run() -> None:
    series = [Series("one", {"road": 0.1, "car": 0.8}), Series("other", {"road": 0.9})]
    assert order_of(iou_bars(series)) == list(CLASS_NAMES)
    assert order_of(iou_bars(series, by_value=True))[:2] == ["car", "road"]


def test_provisional_scores_are_hatched() -> None:
    series = [Series("official", {}), Series("in training", {}, provisional=True)]
    official, provisional, _ = iou_bars(series).data
    assert (official.marker.pattern.shape, provisional.marker.pattern.shape) == ("", "/")


def test_the_figure_grows_with_the_number_of_runs() -> None:
    heights = [
        iou_bars([Series(str(n), {}) for n in range(count)]).layout.height for count in (1, 6)
    ]
    assert heights[1] - heights[0] == 5 * 19 * 14


def test_frequencies_have_an_axis_on_which_small_shares_are_visible() -> None:
    figure = iou_bars([Series("a run", {})], frequency={"road": 0.4, "rider": 0.00012, "bus": 0.0})
    bars = bars_of(figure, "Share of the pixels")
    assert bars["rider"] == (0.00012, "0.012%")
    assert bars["bus"] == (None, "")
    assert figure.layout.xaxis2.type == "log"
    assert figure.layout.xaxis2.range[0] == -4


def test_the_title_of_a_run_is_no_markup() -> None:
    figure = iou_bars([Series(HOSTILE, {}), Series("other", {})])
    assert figure.data[0].name == HARMLESS
    assert HOSTILE not in figure.to_json()
    assert HARMLESS in figure.data[0].hovertemplate
