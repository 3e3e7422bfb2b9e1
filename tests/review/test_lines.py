"""Lines of a ledger: what they may hold, and tags and names as they are kept."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cityseg.review.lines import (
    LINE,
    MOST_TAG,
    TagChange,
    Verdict,
    cleaned_reviewer,
    cleaned_tag,
)
from cityseg.review.regions import Region
from cityseg.system import parse_as


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


def test_a_verdict_from_before_regions_could_be_accepted_is_read() -> None:
    line = _verdict("wrong_label").model_dump_json(exclude={"accepted"})
    assert '"accepted"' not in line
    assert parse_as(line.encode(), LINE).accepted is False


def test_a_wrong_label_is_accepted_with_the_predicted_one_only() -> None:
    line = _verdict("wrong_label", predicted="car", accepted=True)
    assert parse_as(line.model_dump_json().encode(), LINE) == line
    for verdict, predicted in [("wrong_label", ""), ("network_wrong", "car")]:
        with pytest.raises(ValidationError, match="accepted"):
            _verdict(verdict, predicted=predicted, accepted=True)


def _verdict(verdict: str, **fields: object) -> Verdict:
    region = Region.of(np.ones((2, 3), np.bool_))
    given = {"reviewer": "Ada", "frame": "val/a/b", "annotation": "", "truth": "tunnel"}
    return Verdict.model_validate({**given, "region": region, "verdict": verdict, **fields})
