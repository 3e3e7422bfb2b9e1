"""JSON values from disk: limits, what is wrong in words, and nothing but JsonError."""

import json
from contextlib import suppress
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from cityseg.system.json_values import Count, FileModel, JsonError, parse_as, parse_json


class Row(FileModel):
    name: str
    count: Count = 0
    share: float | None = None
    is_done: bool = False
    sizes: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("content", "clause"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b'{"a": 1,\n "b" 2}', "it is no JSON from line 2, column 6"),
        (b"\0\0\0\0", "it is no JSON from line 1, column 1"),
        (b"\xff\xfe\xfa", "it is no text"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[" * 40 + b"]" * 40, "it is nested too deeply"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "it is nested too deeply"),
        (b"1" * 5_000, "it has a number of thousands of digits"),
        (b'{"epochs": 1, "epochs": 2}', "it has 'epochs' twice"),
    ],
)
def test_what_is_no_json_of_ours_is_named(content: bytes, clause: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_json(content)
    assert str(caught.value) == clause


@pytest.mark.parametrize(
    ("value", "clause"),
    [
        ([], "it is a list, not an object"),
        ({}, "it has no name"),
        ({"name": 7}, "name is 7, not text"),
        ({"name": "a", "count": "seven"}, "count is 'seven', not a whole number"),
        ({"name": "a", "count": 1.5}, "count is 1.5, not a whole number"),
        ({"name": "a", "count": True}, "count is true, not a whole number"),
        ({"name": "a", "count": -1}, "count is -1, not at least 0"),
        ({"name": "a", "share": float("inf")}, "share is inf, not a finite number"),
        ({"name": "a", "share": "x" * 99}, f"share is '{'x' * 38}…, not a number"),
        ({"name": "a", "is_done": 1}, "is_done is 1, not true or false"),
        ({"name": "a", "sizes": {}}, "sizes is an object, not a list"),
        ({"name": "a", "sizes": [1, 0]}, "sizes[1] is 0, not at least 1"),
    ],
)
def test_what_a_field_holds_is_named_in_our_words(value: Any, clause: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_as(json.dumps(value), Row)
    assert str(caught.value) == clause


def test_a_number_beyond_floats_is_not_finite() -> None:
    with pytest.raises(JsonError, match="share is inf, not a finite number"):
        parse_as(b'{"name": "a", "share": 1e999}', Row)


def test_fields_of_later_versions_are_ignored_and_names_may_be_no_utf8() -> None:
    row = parse_as(b'{"name": "\\udcff", "share": 1, "new": [1e999]}', Row)
    assert row.model_dump(exclude_unset=True) == {"name": "\udcff", "share": 1.0}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"\xff", b"\0"])
def test_what_a_crash_leaves_is_cut_off(content: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        parse_as(content, Row)
    assert caught.value.is_cut_off


@pytest.mark.parametrize("content", [b"{}", b'{"name": 1}', b"[" * 50 + b"]" * 50])
def test_what_a_person_has_changed_is_not_cut_off(content: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        parse_as(content, Row)
    assert not caught.value.is_cut_off


@settings(max_examples=60)
@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(list(Row.model_fields)), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_anything_is_a_row_or_a_json_error(content: bytes) -> None:
    with suppress(JsonError):
        assert isinstance(parse_as(content, Row), Row)
