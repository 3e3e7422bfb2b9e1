"""How corruptions are written."""

import pytest

from cityseg.corruption import CORRUPTIONS, Corruption, parse_corruptions
from cityseg.errors import ConfigError


def test_a_corruption_is_written_as_it_is_read() -> None:
    assert str(Corruption.parse("fog:3")) == "fog:3"


def test_lists_names_alone_and_all_of_them() -> None:
    assert parse_corruptions("fog:3, rain:2,fog:3") == [Corruption("fog", 3), Corruption("rain", 2)]
    assert parse_corruptions("jpeg") == [Corruption("jpeg", severity) for severity in range(1, 6)]
    assert parse_corruptions("all:2") == [Corruption(name, 2) for name in CORRUPTIONS]
    assert len(parse_corruptions("all")) == 5 * len(CORRUPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("snow:3", "There is no corruption 'snow': choose one of noise, defocus"),
        ("fog:6", r"'fog:6' has no severity of 1 to 5: write fog:3"),
        ("fog:0", "has no severity"),
        ("fog:", "severity"),
        ("", "There is no corruption ''"),
    ],
)
def test_what_is_none_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_corruptions(text)
