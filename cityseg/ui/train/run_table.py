"""The runs as one table on the page Train: sorted, searched, opened, ticked."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from cityseg.config import TrainConfig
from cityseg.jobs import Entry, JobState, score_curve
from cityseg.ui.run_labels import failure_reason, folder_problem, run_name, state_label
from cityseg.ui.text import cell, sentence
from cityseg.ui.train.settings_form import label_of, written_value

#: Where a run's data lies, what it is called and who follows it is no difference between trainings.
_NO_DIFFERENCES: Final = (
    *("title", "data", "masks", "store", "exclude", "review", "device"),
    *("wandb", "wandb_project"),
)
_ROW_PIXELS: Final = 35
_MOST_ROWS: Final = 6
#: The run that a click in the table has opened, until the page has drawn it.
_OPENED: Final = "train_opened"
_TICKED: Final = "train_ticked"
_CELLS: Final = "train_cells"
#: About a letter, what a cell has around its text, and the narrowest column.
_LETTER_PIXELS: Final = 6.8
_PADDING_PIXELS: Final = 20
_LEAST_PIXELS: Final = 100
#: Scores beside them are to be seen in a narrow window, too.
_MOST_PIXELS: Final = {"Name": 360, "State": 180}
_COLUMNS: Final = {
    "Name": st.column_config.TextColumn(
        pinned=True, help="Double-click a name that is cut to read all of it."
    ),
    "State": st.column_config.TextColumn(),
    "Curve": st.column_config.LineChartColumn(
        y_min=0, color="auto", width="small", help="Mean IoU by epoch."
    ),
    "Mean IoU": st.column_config.NumberColumn(
        format="%.1f%%", help="The mean over 19 classes of intersection over union: the best epoch."
    ),
    "Epochs": st.column_config.NumberColumn(help="Finished epochs.", width="small"),
    # A number, not a text of any unit, so that the table can be sorted by it.
    "Time": st.column_config.NumberColumn(format="%.2g min", help="Time of training so far."),
    "Settings that differ": st.column_config.TextColumn(width="medium"),
    "Tags": st.column_config.ListColumn(),
    "Note": st.column_config.TextColumn(width="medium"),
}
#: Left out where no run has any, so that the others have room.
_OPTIONAL: Final = ("Settings that differ", "Tags", "Note")


def show_table(entries: Sequence[Entry], chosen: str, best: str = "") -> list[str]:
    """Draw the runs, newest first; returns the ids of those that are ticked.

    The runs with the ids `chosen` and `best` are marked. A click on a cell opens its run:
    `take_opened` returns it.
    """
    ids = [entry.id for entry in entries]
    # Rows are known by their numbers: after a change of the list a click meant another run.
    key = f"runs-{hashlib.blake2b(chr(0).join(ids).encode(errors='replace')).hexdigest()[:12]}"
    marks = {best: "★ "}
    marks[chosen] = f"▸ {marks.get(chosen, '')}"
    ticked = [each for each in st.session_state.get(_TICKED, []) if each in ids]
    rows = _rows(entries, marks)
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        placeholder="–",
        height=_ROW_PIXELS * (min(len(ids), _MOST_ROWS) + 1) + 2,
        column_config=_COLUMNS | {name: _fitting(name, rows[name]) for name in ("Name", "State")},
        on_select=lambda: _take_selection(key, ids),
        selection_mode=["multi-row", "single-cell"],
        selection_default={"selection": {"rows": [ids.index(each) for each in ticked]}},
        alt="Runs, newest first",
    )
    return ticked


def take_opened() -> str | None:
    """The id of the run that was clicked on since the last call; None if none was."""
    opened: str | None = st.session_state.pop(_OPENED, None)
    return opened


def forget_ticks() -> None:
    """Untick all runs, such as after an action on them; for callbacks."""
    st.session_state.pop(_TICKED, None)


def _take_selection(key: str, ids: Sequence[str]) -> None:
    selection = st.session_state[key]["selection"]
    st.session_state[_TICKED] = [ids[row] for row in selection["rows"] if row < len(ids)]
    cells = selection["cells"]
    # A tick comes with the cell that was clicked on before, which opens nothing again.
    if cells and cells != st.session_state.get(_CELLS) and cells[0][0] < len(ids):
        st.session_state[_OPENED] = ids[cells[0][0]]
    st.session_state[_CELLS] = cells


def _rows(entries: Sequence[Entry], marks: Mapping[str, str]) -> pd.DataFrame:
    names = _differing([entry.config for entry in entries if entry.config])
    rows = [_row(entry, names, marks.get(entry.id, "")) for entry in entries]
    shown = [n for n in _COLUMNS if n not in _OPTIONAL or any(row[n] for row in rows)]
    return pd.DataFrame(rows, columns=shown)


def _fitting(name: str, texts: Sequence[str]) -> ColumnConfig:
    """The column `name`, as wide as its longest text."""
    wanted = round(_PADDING_PIXELS + _LETTER_PIXELS * max(map(len, texts), default=0))
    return _COLUMNS[name] | {"width": min(max(wanted, _LEAST_PIXELS), _MOST_PIXELS[name])}


def _differing(configs: Sequence[TrainConfig]) -> list[str]:
    """The settings that not all runs have alike."""

    def differs(name: str) -> bool:
        first = getattr(configs[0], name)
        return any(getattr(config, name) != first for config in configs)

    return (
        [n for n in TrainConfig.model_fields if n not in _NO_DIFFERENCES and differs(n)]
        if configs
        else []
    )


def _row(entry: Entry, names: Sequence[str], mark: str) -> dict[str, Any]:
    state = entry.state
    config = entry.config
    scores = score_curve(entry.run) if state else ()
    return {
        "Name": cell(f"{mark}{run_name(entry)}"),
        "State": _state_text(state),
        "Curve": list(scores),
        "Mean IoU": 100 * state.mean_iou if state and state.mean_iou is not None else None,
        "Epochs": state.progress.epochs_done if state else None,
        "Time": state.progress.seconds / 60 if state else None,
        "Settings that differ": cell(
            ", ".join(
                f"{label_of(name)} {written_value(name, getattr(config, name))}"
                for name in (names if config else ())
            )
        ),
        "Tags": [cell(tag) for tag in entry.notes.tags],
        "Note": cell(sentence(folder_problem(entry)) or entry.notes.note),
    }


def _state_text(state: JobState | None) -> str:
    word = state_label(state).word
    return cell(f"{word}: {failure_reason(state)}") if state and state.phase == "failed" else word
