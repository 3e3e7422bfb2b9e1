"""Numbers as text: durations, shares and counts."""

import math

import pytest

from cityseg.ui.formatting import (
    bounds,
    duration,
    duration_range,
    percent,
    points,
    short_percent,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.74, "1.7 s"),
        (45.4, "45 s"),
        (100, "1.7 min"),
        (720, "12 min"),
        (5990, "100 min"),
        (9000, "2.5 h"),
        (520_000, "6 days"),
    ],
)
def test_a_duration_has_two_significant_digits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("shortest", "longest", "text"),
    [(240, 480, "4–8 min"), (50, 200, "0.8–3.3 min"), (60, 61, "60–61 s"), (3600, 3601, "60 min")],
)
def test_a_duration_range_has_the_unit_of_its_end(
    shortest: float, longest: float, text: str
) -> None:
    assert duration_range(shortest, longest) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.41476, "41.5%"), (0.0, "0.0%"), (math.nan, "–"), (None, "–")]
)
def test_a_percentage_has_one_decimal_or_is_a_dash(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.736, "74%"), (0.0995, "10%"), (0.00012, "0.012%"), (3e-8, "3e-06%")]
)
def test_a_short_percentage_has_two_significant_digits(share: float, text: str) -> None:
    assert short_percent(share) == text


def test_bounds_and_points_have_one_decimal() -> None:
    assert bounds(0.41249, 0.43) == "41.2–43.0"
    assert points(0.0126) == "1.3"
