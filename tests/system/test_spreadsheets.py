"""No cell of a CSV file begins like a formula."""

import pytest

from cityseg.system.spreadsheets import records_csv, spreadsheet_text


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_what_would_be_a_formula_gets_an_apostrophe(first: str) -> None:
    assert spreadsheet_text(f"{first}A1") == f"'{first}A1"
    assert spreadsheet_text(f"A{first}1") == f"A{first}1"


def test_numbers_stay_numbers_and_none_is_empty() -> None:
    assert records_csv([{"a": -1, "b": None, "c": "-1"}]) == "a,b,c\n-1,,'-1\n"
