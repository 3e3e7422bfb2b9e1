"""The folders that a session works with: those of the command line, or typed in the sidebar."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE, default_root, default_runs
from cityseg.ui.text import plain, utf8


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of a session; `masks_elsewhere` is set if the masks lie outside of `data`."""

    data: Path
    runs: Path
    masks_elsewhere: Path | None = None

    @property
    def masks(self) -> Path:
        """Converted masks of `data`."""
        return self.masks_elsewhere or self.data / "masks"


def current_folders() -> Folders:
    """The folders of this session: typed in the sidebar, or given at the start."""
    given, data = _given(), _typed("data_folder")
    # Masks of the command line belong to its dataset, not to one that was typed later.
    masks = _typed("masks_folder") or (None if data else given.masks_elsewhere)
    return Folders(data or given.data, _typed("runs_folder") or given.runs, masks)


def choose_folders() -> None:
    """Draw the fields for the folders."""
    given = _given()
    st.subheader("Folders")
    st.text_input(
        "Dataset",
        key="data_folder",
        placeholder=utf8(given.data),
        help="The folder that contains leftImg8bit and gtFine. "
        f"The default is set by ${DATASET_VARIABLE} or --data.",
    )
    data = current_folders().data
    if not data.is_dir():
        st.caption(f":material/warning: {plain(data)} does not exist.")
    st.text_input(
        "Masks",
        key="masks_folder",
        placeholder=utf8(current_folders().masks),
        help="Where converted masks are kept: another folder suits a dataset that cannot be "
        "written. The default is set by --masks.",
    )
    st.text_input(
        "Runs",
        key="runs_folder",
        placeholder=utf8(given.runs),
        help=f"Where training runs are kept. The default is set by ${RUNS_VARIABLE} or --runs.",
    )


def _typed(key: str) -> Path | None:
    text = st.session_state.get(key)
    return Path(text).expanduser() if text else None


def _given() -> Folders:
    """The folders of the command line, such as `cityseg app --data DATA --runs RUNS`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=default_root())
    parser.add_argument("--runs", type=Path, default=default_runs())
    parser.add_argument("--masks", type=Path)
    # Under AppTest, argv holds the arguments of pytest.
    options, _ = parser.parse_known_args(sys.argv[1:])
    return Folders(options.data, options.runs, options.masks)
