"""What was said of the frames of a dataset on the page Review, for the page Browse."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import streamlit as st

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review import VerdictRow, ledger_file, verdict_rows
from cityseg.ui import cached
from cityseg.ui.folders import Folders
from cityseg.ui.review.regions import digest_of
from cityseg.ui.review.reviewed import Reviews
from cityseg.ui.text import utf8
from cityseg.wording import counted

#: The choices, and the code of the verdict that each stands for.
STATES: Final = {
    "Wrong label": "wrong_label",
    "Label is right": "network_wrong",
    "Unclear": "unclear",
    "Not worth it": "not_worth_it",
    "Stale verdict": "stale",
}


def choose_states() -> None:
    """Draw the choice; the session's state has it as "reviewed"."""
    st.multiselect(
        "Reviewed",
        list(STATES),
        key="reviewed",
        bind="query-params",
        placeholder="Any",
        help="Frames with such a verdict on one of their regions, given on the page Review. A "
        "verdict is stale if the annotation has changed since. The layer Reviewed shows where.",
    )


def reviews_of(folders: Folders, frames: Sequence[Frame]) -> Reviews:
    """The verdicts on regions of `frames`, by the frames' names in addresses.

    There are none where the ledger cannot be read: the tags of the same ledger say so.
    """
    found: dict[str, list[VerdictRow]] = defaultdict(list)
    try:
        verdicts = cached.ledger(ledger_file(folders.data, folders.runs)).verdicts()
    except ReviewError:
        return found
    if not verdicts:
        return found
    by_name = {utf8(frame.name): frame for frame in frames}
    for row in verdict_rows(verdicts.values(), by_name, digest_of):
        if row.frame:
            found[row.verdict.frame].append(row)
    return found


def has_state(rows: Sequence[VerdictRow], wanted: Collection[str]) -> bool:
    """Whether one of a frame's verdicts has one of the `wanted` codes."""
    return any(_code(each) in wanted for each in rows)


def state_text(rows: Sequence[VerdictRow]) -> str:
    """A frame's verdicts in a line: "3 regions judged: wrong label 2, unclear 1"; empty if none."""
    if not rows:
        return ""
    counts = Counter(map(_code, rows))
    parts = (f"{title.lower()} {counts[code]}" for title, code in STATES.items() if counts[code])
    return f"{counted(len(rows), 'region')} judged: {', '.join(parts)}"


def _code(row: VerdictRow) -> str:
    return "stale" if row.is_stale else row.verdict.verdict
