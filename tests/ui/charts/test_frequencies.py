"""The figure of class frequencies: what its bars say of counts made by hand."""

from typing import Any

import numpy as np
import pytest

from cityseg.data.catalogue import Frequencies
from cityseg.labels import CLASS_NAMES
from cityseg.ui.charts.frequencies import MEASURES, class_frequencies

ROAD, CAR, EGO_VEHICLE = 7, 26, 1


def frequencies(frames: int, **counts: tuple[int, int]) -> Frequencies:
    """`frames` frames with (pixels, images) of some labels."""
    ids = {"road": ROAD, "car": CAR, "ego_vehicle": EGO_VEHICLE}
    pixels, images = np.zeros((2, 34), np.int64)
    for name, (of_pixels, of_images) in counts.items():
        pixels[ids[name]], images[ids[name]] = of_pixels, of_images
    return Frequencies(frames, pixels, images)


TRAIN = frequencies(4, road=(700, 4), car=(2, 1), ego_vehicle=(298, 4))
VAL = frequencies(2, road=(1000, 2))


def bars(figure: Any, split: int) -> dict[str, tuple[float, str]]:
    trace = figure.data[split]
    return dict(zip(trace.y, zip(trace.x, trace.text, strict=True), strict=True))


def test_pixels_are_shares_of_all_pixels_of_the_split() -> None:
    figure = class_frequencies({"train": TRAIN, "val": VAL}, "Pixels")
    assert bars(figure, 0)["road"] == (0.7, "70%")
    assert bars(figure, 0)["car"] == (0.002, "0.2%")
    assert bars(figure, 1)["road"] == (1.0, "100%")


def test_images_are_shares_of_the_frames_of_the_split() -> None:
    figure = class_frequencies({"train": TRAIN}, "Images")
    assert bars(figure, 0)["road"] == (1.0, "100%")
    assert bars(figure, 0)["car"] == (0.25, "25%")


def test_a_class_in_no_frame_has_a_text_and_no_bar() -> None:
    figure = class_frequencies({"train": TRAIN}, "Pixels")
    length, text = bars(figure, 0)["bus"]
    assert text == "In no frame"
    assert np.log10(length) == figure.layout.xaxis.range[0]


@pytest.mark.parametrize("measure", MEASURES)
def test_the_rarest_class_has_a_visible_bar(measure: str) -> None:
    figure = class_frequencies({"train": TRAIN, "val": VAL}, measure)
    rarest = min(length for length, text in bars(figure, 0).values() if text != "In no frame")
    assert figure.layout.xaxis.range[0] < np.log10(rarest)
    assert figure.layout.xaxis.range[1] > 0


def test_every_class_has_a_row_and_the_most_frequent_is_on_top() -> None:
    figure = class_frequencies({"train": TRAIN}, "Pixels")
    assert sorted(figure.data[0].y) == sorted(CLASS_NAMES)
    assert list(figure.data[0].y[:2]) == ["road", "car"]
    assert figure.layout.yaxis.autorange == "reversed"


def test_the_titles_are_bold_and_stand_above_the_first_bars() -> None:
    figure = class_frequencies({"train": TRAIN, "val": VAL}, "Pixels")
    titles = [(each.text, each.x, each.xanchor) for each in figure.layout.annotations]
    lefts = [axis.domain[0] for axis in figure.select_xaxes()]
    assert titles == [
        ("<b>train · 4 frames</b>", lefts[0], "left"),
        ("<b>val · 2 frames</b>", lefts[1], "left"),
    ]


def test_bars_have_the_colours_of_the_classes() -> None:
    trace = class_frequencies({"train": TRAIN}, "Pixels").data[0]
    assert trace.marker.color[list(trace.y).index("road")] == "rgb(128,64,128)"
