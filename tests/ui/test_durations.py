"""Seconds, as people say them."""

import pytest

from cityseg.ui.durations import duration, span


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
def test_a_duration_has_two_digits_that_mean_something(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("shortest", "longest", "text"),
    [(240, 480, "4–8 min"), (50, 200, "0.8–3.3 min"), (60, 61, "60–61 s"), (3600, 3601, "60 min")],
)
def test_a_span_is_said_in_the_unit_of_its_end(shortest: float, longest: float, text: str) -> None:
    assert span(shortest, longest) == text
