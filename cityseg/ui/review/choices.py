"""The filters of the page Review."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from cityseg.review import FINDING_REASONS, Choice, Finding, State, city_of, pair_of
from cityseg.ui import address
from cityseg.ui.text import utf8, words
from cityseg.wording import counted

#: The states that may be looked at.
STATES: Final[Mapping[str, tuple[State, ...]]] = {
    "To judge": ("open", "stale"),
    "Stale": ("stale",),
    "Judged": ("judged",),
    "All": (),
}
_SIZES: Final = (0, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 1_000_000, 10_000_000)
#: The keys of the other filters, with the values that let all findings pass.
ALL_PASS: Final[dict[str, object]] = {
    "pair": [],
    "reason": [],
    "review_city": [],
    "pixels": (_SIZES[0], _SIZES[-1]),
}


def choose_state() -> tuple[State, ...]:
    """Draw the choice of a state."""
    chosen = address.one_of(
        "State",
        list(STATES),
        "state",
        help="Stale: the annotation has changed since the verdict, which counts no more.",
    )
    return STATES[chosen]


def choose_more(findings: Sequence[Finding]) -> Choice:
    """Draw the other filters; the address keeps their values."""
    pairs = Counter(filter(None, map(pair_of, findings)))
    reasons = {each.reason for each in findings}
    labels = {utf8(pair): pair for pair, _ in pairs.most_common()}
    pair = st.multiselect(
        "Class pair",
        list(labels),
        key="pair",
        bind="query-params",
        placeholder="Any",
        help="The label, and what it meets or what the network says there.",
    )
    reason = st.multiselect(
        "Reason",
        [code for code in FINDING_REASONS if code in reasons],
        format_func=words,
        key="reason",
        bind="query-params",
        placeholder="Any",
    )
    cities = {utf8(name): name for name in sorted({city_of(each) for each in findings})}
    city = st.multiselect(
        "City", list(cities), key="review_city", bind="query-params", placeholder="Any"
    )
    low, high = st.select_slider(
        "Size in pixels",
        _SIZES,
        (_SIZES[0], _SIZES[-1]),
        format_func=lambda pixels: f"{pixels:,}",
        key="pixels",
        bind="query-params",
    )
    return Choice(
        pairs=[labels[each] for each in pair],
        reasons=reason,
        cities=[cities[each] for each in city],
        pixels=(low, high if high < _SIZES[-1] else float("inf")),
    )


def show_none(total: int) -> None:
    """Draw that no finding meets the conditions, and the button that takes them away."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"None of {counted(total, 'region')} matches these filters.", width="content")
        st.button("Reset filters", icon=":material/filter_list_off:", on_click=_reset)


def _reset() -> None:
    st.session_state.update(ALL_PASS | {"state": "All"})
