"""Choices that the page's address keeps, so that a link or a reload brings them back.

Widgets with `bind="query-params"` write the text of an option into the address. That suits options
whose text is fixed (`one_of`). Where it is not, such as the title of a run, the address holds a key
and `format_func` makes the text; then the address is the only source of the choice: call `restore`
or `restore_one` before the widget, and give `keep` as its `on_change`.

Only a choice is written. A default in the address would be a step in the browser's history that
nobody took: going back would only lead to it again.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import streamlit as st


def one_of(label: str, options: Sequence[str], key: str, **settings: Any) -> str:
    """Buttons for one of `options`, the first by default; `settings` go to the widget."""
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


def select(
    label: str, options: Sequence[str], key: str, text_of: Callable[[str], str], **settings: Any
) -> str:
    """A select box for one of the keys `options`, the first by default, shown as `text_of` says.

    `settings` go to the widget.
    """
    restore_one(key, options)
    st.selectbox(
        label, options, key=key, format_func=text_of, on_change=keep, args=(key,), **settings
    )
    return str(st.session_state[key])


def restore(
    key: str, options: Collection[str], default: Sequence[str], most: int | None = None
) -> None:
    """Set a widget for several choices from the address; unknown ones, and more, are ignored."""
    asked = st.query_params.get_all(key)
    known = [choice for choice in dict.fromkeys(asked) if choice in options]
    is_chosen = known or asked == [""]
    st.session_state[key] = known[:most] if is_chosen else _default(key, options, default)


def say_missing(what: str) -> None:
    """Draw that what the address names, in Markdown, is not here."""
    st.warning(f"There is no {what} here.", icon=":material/search_off:")


def restore_one(key: str, options: Sequence[str]) -> None:
    """Set a widget for one choice from the address, or to the first option."""
    asked = st.query_params.get(key)
    st.session_state[key] = asked if asked in options else _default(key, options, options[:1])[0]


def _default(key: str, options: Collection[str], default: Sequence[str]) -> list[str]:
    """The default with which the page was opened, as long as there are these options.

    Another may have come since then, such as the newest run, and what is shown stays.
    """
    name = f"{key}_default"
    first = st.session_state.get(name, ())
    # Streamlit forgets a widget's own state when its page is left.
    if key not in st.session_state or not first or not all(each in options for each in first):
        st.session_state[name] = first = list(default)
    return list(first)


def keep(key: str) -> None:
    """Write the widget's choice into the address."""
    chosen = st.session_state[key]
    # An empty value says that nothing is chosen; without it a reload would choose the default.
    values = [chosen] if isinstance(chosen, str) else chosen or [""]
    if st.query_params.get_all(key) != values:  # each write is a step in the browser's history
        st.query_params[key] = values
