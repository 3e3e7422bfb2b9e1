"""The settings in which the compared runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from cityseg.errors import CitysegError
from cityseg.ui.results.chosen_runs import ChosenRun
from cityseg.ui.text import plain, words

#: Who a run is and what records it, not what it trains.
_NO_SETTINGS: Final = ("title", "wandb", "wandb_project")


def show_settings(runs: Sequence[ChosenRun]) -> None:
    """Draw a button that opens a table: a row for each setting that differs, a column a run."""
    if len(runs) < 2:
        return
    settings = [_settings(each) for each in runs]
    rows = differing(settings)
    if not rows:
        st.caption("These runs have the same settings.", width="content")
        return
    table = pd.DataFrame(
        [list(map(_text, values)) for values in rows.values()],
        index=pd.Index([words(name) for name in rows], name="Setting that differs"),
        columns=[plain(each.name) for each in runs],
    )
    # Folded: the charts belong into the first screenful.
    first = words(next(iter(rows)))
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    title = f"Differ in {first}{more}"
    with st.popover(title, icon=":material/tune:"):
        st.table(table, border="horizontal", width="content", alt="Settings that differ")


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values of each setting that not all have alike, in the order of the first."""
    names = dict.fromkeys(name for each in settings for name in each)
    found = {name: [each.get(name) for each in settings] for name in names}
    return {
        name: values
        for name, values in found.items()
        if any(value != values[0] for value in values) and name not in _NO_SETTINGS
    }


def _settings(chosen: ChosenRun) -> dict[str, Any]:
    try:
        return chosen.run.config().model_dump(mode="json")
    except CitysegError:  # the choice of runs has reported it
        return {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "On" if value else "Off"
    if isinstance(value, list):
        return "×".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None or value == "" else plain(value)
