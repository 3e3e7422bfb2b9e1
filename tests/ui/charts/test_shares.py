"""The figure of class shares: which classes, in which order, in which colours."""

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME
from cityseg.ui.charts.shares import share_bars

NONE = dict.fromkeys(CLASS_NAMES, 0.0)
PREDICTED = NONE | {"road": 0.3, "sky": 0.6996, "car": 0.0004}


def test_classes_without_a_pixel_are_left_out_and_the_largest_is_on_top() -> None:
    figure = share_bars(PREDICTED, {})
    assert list(figure.layout.yaxis.categoryarray) == ["sky", "road", "car"]


def test_a_bar_has_the_colour_of_its_class() -> None:
    bars = share_bars(PREDICTED, {}).data[0]
    wanted = ["rgb({},{},{})".format(*LABEL_OF_NAME[name].color) for name in ("sky", "road", "car")]
    assert list(bars.marker.color) == wanted


def test_a_small_share_is_not_shown_as_zero() -> None:
    texts = share_bars(PREDICTED, {}).data[-1].text
    assert [text.strip() for text in texts] == ["70.0%", "30.0%", "&lt; 0.1%"]


def test_what_only_the_annotation_has_is_shown_as_missed() -> None:
    figure = share_bars(PREDICTED, NONE | {"road": 0.3, "sky": 0.6, "bus": 0.1})
    ticks = figure.data[1]
    assert dict(zip(ticks.y, ticks.x, strict=True)) == {
        "sky": 0.6,
        "road": 0.3,
        "car": 0.0,
        "bus": 0.1,
    }
    assert figure.data[-1].text[-1].strip() == "0.0%"
