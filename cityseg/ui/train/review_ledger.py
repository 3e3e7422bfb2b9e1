"""The ledger of a review that a training can leave wrong labels out by."""

from pathlib import Path
from typing import Any

import streamlit as st

from cityseg.review import ledger_file
from cityseg.ui.folders import Folders, current_folders
from cityseg.ui.text import utf8


def show_review(value: str, data: str, **about: Any) -> None:
    """Draw the choice, in which the path of any other ledger may be typed.

    `data` is the form's dataset, empty for that of the session; `about` goes to the widget.
    """
    names = ledgers(current_folders(), data)
    options = tuple(dict.fromkeys([*names, value or ""]))
    st.selectbox(
        options=options,
        index=options.index(value or ""),
        format_func=lambda path: names.get(path, path),
        accept_new_options=True,
        **about,
    )


def ledgers(folders: Folders, data: str) -> dict[str, str]:
    """Names of the ledgers to choose from, by values of the setting: none, the dataset's own."""
    own = ledger_file(Path(data) if data else folders.data, folders.runs)
    of_dataset = {utf8(own): "That of the dataset"} if own.is_file() else {}
    return {"": "None"} | of_dataset
