"""The figure of a confusion matrix: what a click finds, and which cells are visible."""

from typing import Any

import numpy as np
import pytest

from cityseg.ui.charts.confusion import IGNORED, confusion_matrix


@pytest.fixture
def pixels() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Of 1000 pixels of road, 970 are right and 30 are predicted as an ignored label."""
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


def test_cells_without_pixels_have_no_shade_and_small_shares_have_different_ones(
    pixels: Any,
) -> None:
    pixels[1, :3] = 1, 10, 9989
    shades = confusion_matrix(pixels / pixels.sum(), pixels, of="all").data[0].z
    assert np.isnan(shades[2]).all()
    assert np.nanmin(shades) == shades[1, 0] < shades[1, 1] < shades[1, 2]


def test_the_chosen_cell_is_framed(pixels: Any) -> None:
    (frame,) = confusion_matrix(pixels / 1000, pixels, of="road", chosen=(0, 19)).layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (18.5, 19.5, -0.5, 0.5)
