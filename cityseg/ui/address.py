"""Choices of a page that its address holds by their keys, whatever a person reads for them.

Widgets with `bind="query-params"` put what is read into the address, such as the title of a run.
Here the options of a widget are the keys, and its `format_func` makes what is read. The address
is the only truth: `restore` goes before the widget, `keep` is its `on_change`.
"""

from collections.abc import Collection, Sequence
from typing import Any

import streamlit as st


def one_of(label: str, options: Sequence[str], key: str, **settings: Any) -> str:
    """Buttons for one of `options`, at first the first; what is read there is the address's too."""
    chosen = st.segmented_control(
        label,
        options,
        default=options[0],
        required=True,
        key=key,
        bind="query-params",
        **settings,
    )
    return str(chosen)


def restore(key: str, options: Collection[str], default: Sequence[str]) -> None:
    """Set a widget for several choices as the address says, without what is not to be had."""
    asked = st.query_params.get_all(key)
    known = [choice for choice in asked if choice in options]
    st.session_state[key] = known if known or asked == [""] else list(default)
    keep(key)


def restore_one(key: str, options: Sequence[str]) -> None:
    """Set a widget for one choice as the address says, else to the first option."""
    asked = st.query_params.get(key)
    st.session_state[key] = asked if asked in options else options[0]
    keep(key)


def keep(key: str) -> None:
    """Put the widget's choice into the address."""
    chosen = st.session_state[key]
    told = [chosen] if isinstance(chosen, str) else chosen or [""]
    if st.query_params.get_all(key) != told:
        st.query_params[key] = told
