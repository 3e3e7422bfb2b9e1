"""Lines of a ledger: what they may hold, and tags and names as they are kept."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cityseg.review.lines import MOST_TAG, TagChange, cleaned_reviewer, cleaned_tag


@given(st.text(max_size=100))
def test_a_cleaned_tag_is_one_or_is_empty(text: str) -> None:
    tag = cleaned_tag(text)
    assert len(tag) <= MOST_TAG
    if tag:
        TagChange(reviewer="Ada", frame="val/a/b", tag=tag)
        assert cleaned_tag(tag) == tag


@given(st.text(max_size=100))
def test_a_cleaned_name_is_one_or_is_empty(text: str) -> None:
    if name := cleaned_reviewer(text):
        assert TagChange(reviewer=name, frame="val/a/b", tag="night").reviewer == name


def test_tags_have_no_commas_and_single_spaces() -> None:
    assert cleaned_tag("  night,\train  drops ") == "night rain drops"


@pytest.mark.parametrize(
    "fields",
    [
        {"tag": ""},
        {"tag": " night"},
        {"tag": "night\n"},
        {"tag": "a,b"},
        {"tag": "x" * (MOST_TAG + 1)},
        {"frame": "frankfurt"},
        {"frame": "../x/y"},
        {"frame": "val/../y"},
        {"frame": "val/a/b/c"},
        {"frame": "val/a/\x00"},
        {"reviewer": ""},
        {"time": "yesterday"},
        {"id": "0"},
    ],
)
def test_what_no_line_may_hold(fields: Mapping[str, str]) -> None:
    good = {"reviewer": "Ada", "frame": "val/a/b", "tag": "night"}
    TagChange(**good)
    with pytest.raises(ValidationError):
        TagChange(**good | fields)
