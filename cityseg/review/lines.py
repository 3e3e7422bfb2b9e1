"""The lines of a review ledger: verdicts on regions, what takes them back, and tags on frames."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cityseg.review.regions import Region
from cityseg.system import FileModel

#: Verdict -> what it means.
VERDICTS: Final = {
    "wrong_label": "The annotation is wrong there",
    "network_wrong": "The annotation is right, the network is wrong",
    "unclear": "The picture does not show what is right",
    "not_worth_it": "Too small to matter",
}
VerdictCode = Literal["wrong_label", "network_wrong", "unclear", "not_worth_it"]

MOST_TAG: Final = 60
MOST_NOTE: Final = 2000
_MOST_NAME: Final = 80

_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
_Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")]


def _check_inside(name: str) -> str:
    if any(part in (".", "..") for part in name.split("/")):
        raise ValueError("a frame's name leads out of its folder")
    return name


#: `<split>/<city>/<stem>`.
FrameName = Annotated[
    str,
    Field(pattern=r"^[^/\x00]+/[^/\x00]+/[^/\x00]+$", max_length=1000),
    AfterValidator(_check_inside),
]
#: A text of one line that neither begins nor ends with a space.
Tag = Annotated[
    str, Field(pattern=r"^[^\s,\x00-\x1f]([^,\x00-\x1f]*[^\s,\x00-\x1f])?$", max_length=MOST_TAG)
]
Reviewer = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=_MOST_NAME)]


def _new_id() -> str:
    return secrets.token_hex(8)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Line(FileModel):
    """What every line has. `time` is UTC; clocks differ, so the order of lines decides, not it."""

    id: _Id = Field(default_factory=_new_id)
    time: _Time = Field(default_factory=_now)
    reviewer: Reviewer


class Verdict(_Line):
    """What a person says about a region of a frame; the last one on the region counts.

    `annotation` is the `annotation_digest` at that time. `truth` and `predicted` are names of
    labels; `predicted` is empty where no network was asked. `accepted` is whether the region is to
    become `predicted` in a corrected copy: only a wrong label can be, of which a network says one.
    """

    kind: Literal["verdict"] = "verdict"
    frame: FrameName
    annotation: _Digest
    region: Region
    truth: Annotated[str, Field(max_length=_MOST_NAME)]
    predicted: Annotated[str, Field(max_length=_MOST_NAME)] = ""
    verdict: VerdictCode
    accepted: bool = False
    note: Annotated[str, Field(max_length=MOST_NOTE)] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.accepted and (self.verdict != "wrong_label" or not self.predicted):
            raise ValueError("only a wrong label with a predicted one can be accepted")
        return self


class Undo(_Line):
    """Takes back the verdict `undone`, an id: the one before it on that region counts again."""

    kind: Literal["undo"] = "undo"
    undone: _Id


class TagChange(_Line):
    """Adds a tag to a frame, or removes it; the last change of a tag of a frame counts."""

    kind: Literal["tag"] = "tag"
    frame: FrameName
    tag: Tag
    is_set: bool = True


Line = Verdict | Undo | TagChange

#: For `parse_as`: a line by its `kind`.
LINE: Final[Any] = Annotated[Line, Field(discriminator="kind")]


def cleaned_tag(text: str) -> str:
    """A tag as it is kept: without commas, on one line, of at most MOST_TAG characters."""
    return _cleaned(text, lambda character: character != ",")[:MOST_TAG].strip()


def cleaned_reviewer(text: str) -> str:
    """The name of a reviewer as it is kept: one line of at most 80 characters."""
    return _cleaned(text, lambda _: True)[:_MOST_NAME].strip()


def _cleaned(text: str, is_kept: Callable[[str], bool]) -> str:
    characters = (c if c.isprintable() and is_kept(c) else " " for c in text)
    return " ".join("".join(characters).split())
