"""What the filters of Browse and Review have in common."""

from collections.abc import Mapping

import streamlit as st


def show_count(pass_all: Mapping[str, object]) -> None:
    """Draw how many of the filters in "More filters" are on, where they cannot be seen.

    `pass_all` has the key of each and the value that lets everything pass. To be called once they
    are drawn: values from the address are in the session only then.
    """
    if count := sum(st.session_state.get(key, value) != value for key, value in pass_all.items()):
        st.markdown(f"**{count} on**", width="content", help="Filters in More filters that are on.")
