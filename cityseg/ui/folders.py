"""The folders that a session works with: those of the command line, or typed in the sidebar."""

import argparse
import errno
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE, default_root, default_runs
from cityseg.errors import ConfigError
from cityseg.ui.text import plain, sentence, utf8

#: Characters of an unusable path that a message repeats.
_SHOWN: Final = 60


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
    """The folders of this session: typed in the sidebar, or given at the start.

    Raises ConfigError if what was typed can be no folder.
    """
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
    _show_problem("data_folder", must_exist=True, default=given.data)
    st.text_input(
        "Masks",
        key="masks_folder",
        placeholder=utf8(_default_masks(given)),
        help="Where converted masks are kept: another folder suits a dataset that cannot be "
        "written. The default is set by --masks.",
    )
    _show_problem("masks_folder")
    st.text_input(
        "Runs",
        key="runs_folder",
        placeholder=utf8(given.runs),
        help=f"Where training runs are kept. The default is set by ${RUNS_VARIABLE} or --runs.",
    )
    _show_problem("runs_folder")


def typed_path(text: str) -> Path:
    """The path that a person typed, which need not exist; raises ConfigError if none can."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    try:
        path = Path(text).expanduser()
        path.stat()
    except RuntimeError:
        raise ConfigError(f"{shown} begins with the home of an unknown user: correct it") from None
    except ValueError:
        raise ConfigError(f"{shown} has a character that no path may have: correct it") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise ConfigError(f"{shown} cannot be a path ({error.strerror}): correct it") from None
    return path


def _default_masks(given: Folders) -> Path:
    try:
        return current_folders().masks
    except ConfigError:
        return given.masks


def _show_problem(key: str, *, must_exist: bool = False, default: Path = Path()) -> None:
    """Draw what is wrong with the folder that was typed, under its field."""
    try:
        path = _typed(key) or default
    except ConfigError as error:
        st.caption(f":red[:material/error: {plain(sentence(error))}]")
        return
    if must_exist and not path.is_dir():
        # As typed: the home of another user is not told to whoever asks.
        typed = st.session_state.get(key) or default
        st.caption(f":material/warning: {plain(typed)} does not exist.")


def _typed(key: str) -> Path | None:
    text = st.session_state.get(key)
    return typed_path(text) if text else None


def _given() -> Folders:
    """The folders of the command line, such as `cityseg app --data DATA --runs RUNS`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=default_root())
    parser.add_argument("--runs", type=Path, default=default_runs())
    parser.add_argument("--masks", type=Path)
    # Under AppTest, argv holds the arguments of pytest.
    options, _ = parser.parse_known_args(sys.argv[1:])
    return Folders(options.data, options.runs, options.masks)
