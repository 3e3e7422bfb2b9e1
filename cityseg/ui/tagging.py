"""Tags of frames in the app: the ledger of the session's dataset, and changes from the viewer."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import streamlit as st
from pydantic import ValidationError

from cityseg.defaults import default_reviewer
from cityseg.errors import ReviewError
from cityseg.review import (
    TagChange,
    append,
    cleaned_reviewer,
    ledger_file,
    tags_of_frames,
)
from cityseg.system import FileModel
from cityseg.ui import cached
from cityseg.ui.folders import Folders
from cityseg.ui.text import plain, sentence, utf8
from cityseg.ui.viewer import Tagging

#: Keys of the session: its reviewer, the field of that name, the ids of changes that need not be
#: sent again, and what could not be kept.
REVIEWER: Final = "reviewer"
_FIELD: Final = "reviewer_field"
_CONFIRMED: Final = "confirmed_tags"
_REFUSED: Final = "refused_tags"
#: The browser sends only what is not confirmed.
_MOST_CONFIRMED: Final = 1000

Tags = Mapping[str, tuple[str, ...]]


def tags_of(folders: Folders) -> Tags:
    """The tags of the frames of a dataset, by the frame's name. Raises ReviewError."""
    return tags_of_frames(cached.ledger(ledger_file(folders.data, folders.runs)))


def shown_tags(folders: Folders) -> Tags:
    """As `tags_of`; draws a warning where the ledger is damaged or cannot be read."""
    try:
        tags = tags_of(folders)
        problems = cached.ledger(ledger_file(folders.data, folders.runs)).problems()
    except ReviewError as error:
        tags, problems = {}, [str(error)]
    if refused := st.session_state.pop(_REFUSED, None):
        problems = [refused, *problems]
    for problem in problems:
        st.warning(plain(sentence(problem)), icon=":material/warning:")
    return tags


def known_tags(tags: Tags) -> list[str]:
    """All tags in use, sorted."""
    return sorted({tag for each in tags.values() for tag in each})


def tag_texts(names: Sequence[str], tags: Tags) -> list[str]:
    """For a gallery: the tags of each frame, separated by commas; empty if no frame has one."""
    texts = [",".join(tags.get(utf8(name), ())) for name in names]
    return texts if any(texts) else []


def has_tags(name: str, wanted: Collection[str], tags: Tags) -> bool:
    """Whether a frame has one of the `wanted` tags."""
    return not set(wanted).isdisjoint(tags.get(utf8(name), ()))


def reviewer() -> str:
    """The name that this session's tags and verdicts carry."""
    return cleaned_reviewer(st.session_state.get(REVIEWER) or "") or default_reviewer()


def choose_reviewer(width: int | Literal["stretch"] = "stretch") -> None:
    """Draw the field with the reviewer's name."""
    # Streamlit forgets a field's value while another page is shown, and shows none that was set in
    # the session's state before the popover was opened.
    st.session_state[REVIEWER] = st.text_input(
        "Your name",
        reviewer(),
        key=_FIELD,
        max_chars=80,
        width=width,
        help="It stands beside your tags and verdicts in the ledger. "
        "The default is set by $CITYSEG_REVIEWER.",
    )


def tagging(folders: Folders, tags: Tags) -> Tagging:
    """That frames can be tagged in the viewer, into the ledger of the dataset."""
    path = ledger_file(folders.data, folders.runs)
    return Tagging(
        known_tags(tags),
        st.session_state.get(_CONFIRMED, []),
        lambda report: _keep(path, report),
    )


def _keep(path: Path, report: object) -> None:
    """Append what the browser sent, as far as it is new, to the ledger.

    The next run of the script may end this at any access to the session: the browser sends again
    what was not confirmed.
    """
    state = st.session_state
    confirmed: list[str] = state.get(_CONFIRMED, [])
    new = [each for each in _changes(report) if each.get("id") not in confirmed]
    lines = []
    for each in new:
        try:
            lines.append(TagChange(**{**each, "reviewer": reviewer()}))
        except ValidationError:
            state[_REFUSED] = "A tag was not kept, because it or its frame's name cannot be one"
    try:
        # A run of the script that was interrupted has kept changes without confirming them.
        ledger = cached.ledger(path)
        append(path, [line for line in lines if not ledger.has(line.id)])
    except ReviewError as error:
        state[_REFUSED] = f"Tags were not kept: {error}"
    ids = [str(each.get("id")) for each in new]
    # Refused ones too: the browser then shows what the ledger has.
    state[_CONFIRMED] = [*confirmed, *ids][-_MOST_CONFIRMED:]


class _Report(FileModel):
    """What the browser sends; `attempt` makes each differ from the one before."""

    attempt: int
    changes: list[dict[str, Any]]


def _changes(report: object) -> list[dict[str, Any]]:
    try:
        return _Report.model_validate(report).changes
    except ValidationError:
        return []
