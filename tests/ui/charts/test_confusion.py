"""The figure of a confusion matrix: what a click finds, and which cells are visible."""

from typing import Any

import numpy as np
import pytest
from plotly.colors import hex_to_rgb, sample_colorscale, unlabel_rgb

from cityseg.ui.charts.confusion import IGNORED, confusion_matrix, contrast


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


@pytest.mark.parametrize(("dark", "background"), [(False, "#ffffff"), (True, "#14161a")])
def test_larger_shares_stand_out_more_from_the_page(dark: bool, background: str) -> None:
    (heat, _) = confusion_matrix(*_all_shares(), of="all", dark=dark).data
    page = hex_to_rgb(background)
    contrasts = [contrast(hex_to_rgb(color), page) for _, color in heat.colorscale]
    assert contrasts == sorted(contrasts)
    assert 1 < contrasts[0] < 1.5
    assert contrasts[-1] > 10


@pytest.mark.parametrize("dark", [False, True])
def test_every_number_can_be_read_on_its_cell(dark: bool) -> None:
    shares, pixels = _all_shares()
    figure = confusion_matrix(shares, pixels, of="all", dark=dark)
    heat, notes = figure.data[0], figure.layout.annotations
    assert len(notes) == (shares >= 0.005).sum()
    scale = [list(step) for step in heat.colorscale]
    for note in notes:
        assert note.text == f"{shares[note.y, note.x]:.0%}"[:-1]
        (cell,) = sample_colorscale(scale, [float(heat.z[note.y, note.x])])
        assert contrast(hex_to_rgb(note.font.color), unlabel_rgb(cell)) >= 4.5


def _all_shares() -> tuple[Any, Any]:
    """A matrix whose shares go from 1e-6 to 1."""
    shares = np.geomspace(1e-6, 1, 19 * 19).reshape(19, 19)
    return shares, (shares * 1e6).astype(np.int64)
