"""What was said of the frames of a dataset on the page Review, for the filter of Browse."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review import VerdictRow, ledger_file, verdict_rows
from cityseg.ui import cached
from cityseg.ui.folders import Folders
from cityseg.ui.review.regions import digest_of
from cityseg.ui.text import utf8

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
        "verdict is stale if the annotation has changed since.",
    )


def have_states(folders: Folders, frames: Sequence[Frame], wanted: Sequence[str]) -> list[bool]:
    """Which of `frames` have a verdict with one of the `wanted` codes."""
    by_name = {utf8(frame.name): frame for frame in frames}
    rows = _by_frame(folders, by_name)
    return [
        any(_code(each) in wanted for each in rows.get(utf8(frame.name), ())) for frame in frames
    ]


def _by_frame(folders: Folders, frames: Mapping[str, Frame]) -> Mapping[str, list[VerdictRow]]:
    found: dict[str, list[VerdictRow]] = defaultdict(list)
    try:
        ledger = cached.ledger(ledger_file(folders.data, folders.runs))
    except ReviewError:  # the tags of the same ledger say so
        return found
    for row in verdict_rows(ledger.verdicts().values(), frames, digest_of):
        found[row.verdict.frame].append(row)
    return found


def _code(row: VerdictRow) -> str:
    return "stale" if row.is_stale else row.verdict.verdict
