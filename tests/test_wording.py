"""Words that messages and pages share."""

import pytest

from cityseg.wording import counted, readable_size


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 frames"), (1, "1 frame"), (2975, "2,975 frames")]
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "frame") == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (4_210, "4.2 kB"),
        (9_960, "10 kB"),
        (999_400, "999 kB"),
        (999_600, "1.0 MB"),
        (119_800_000, "120 MB"),
        (1_340_000_000, "1.3 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(size_bytes: int, text: str) -> None:
    assert readable_size(size_bytes) == text
