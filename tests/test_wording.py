"""Words that messages and pages share."""

import pytest

from cityseg.wording import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 frames"), (1, "1 frame"), (2975, "2,975 frames")]
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "frame") == text
