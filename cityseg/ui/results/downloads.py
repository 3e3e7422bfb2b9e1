"""Downloads of what a view shows, as CSV and JSON side by side."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.system import records_csv


def show_downloads(
    controls: DeltaGenerator, name: str, csv_text: Callable[[], str], json_text: Callable[[], str]
) -> None:
    """Draw the two buttons; `name` is that of the files without an ending."""
    # One item of the row of controls, so that a narrow page does not part them.
    with controls.container(horizontal=True, width="content", gap="small"):
        _show_download("CSV", csv_text, f"{name}.csv", "text/csv")
        _show_download("JSON", json_text, f"{name}.json", "application/json")


def show_record_downloads(
    controls: DeltaGenerator, name: str, records: Callable[[], Sequence[Mapping[str, Any]]]
) -> None:
    """The two buttons for records with the same fields, whose undefined values are None."""
    show_downloads(
        controls,
        name,
        lambda: records_csv(records()),
        lambda: json.dumps(records(), indent=1, allow_nan=False),
    )


def _show_download(label: str, text: Callable[[], str], name: str, media_type: str) -> None:
    st.download_button(
        label,
        # Called at the click: the browser asks at once for a file, which the next rerun may remove.
        lambda: text().encode(),
        name,
        media_type,
        on_click="ignore",
        icon=":material/download:",
    )
