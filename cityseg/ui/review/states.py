"""What was said of the frames of a dataset on the page Review, for the filter of Browse."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review import Verdict, ledger_file
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
    verdicts = _by_frame(folders)
    return [
        any(_code(each, frame) in wanted for each in verdicts.get(utf8(frame.name), ()))
        for frame in frames
    ]


def _by_frame(folders: Folders) -> Mapping[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    try:
        ledger = cached.ledger(ledger_file(folders.data, folders.runs))
    except ReviewError:  # the tags of the same ledger say so
        return found
    for verdict in ledger.verdicts().values():
        found[verdict.frame].append(verdict)
    return found


def _code(verdict: Verdict, frame: Frame) -> str:
    return verdict.verdict if verdict.annotation == digest_of(frame) else "stale"
