"""The folders that a session works with: those of the command line, or chosen in the header."""

import argparse
import errno
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import streamlit as st

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE, default_root, default_runs
from cityseg.errors import ConfigError
from cityseg.ui import cached
from cityseg.ui.known_folders import Use, known_folders, remember
from cityseg.ui.text import plain, sentence

#: Characters of an unusable path that a message repeats.
_SHOWN: Final = 60
_TITLES: Final[dict[Use, str]] = {"dataset": "Dataset", "masks": "Masks", "runs_folder": "Runs"}
_HELP: Final[dict[Use, str]] = {
    "dataset": "The folder that contains leftImg8bit and gtFine. "
    f"The default is set by ${DATASET_VARIABLE} or --data.",
    "masks": "Where converted masks are kept: another folder suits a dataset that cannot be "
    "written. The default is set by --masks.",
    "runs_folder": "Where training runs are kept. "
    f"The default is set by ${RUNS_VARIABLE} or --runs.",
}
#: What the address named and the server does not know; why a typed path was refused.
_UNKNOWN: Final = "unknown_folder"
_REFUSED: Final = "refused_path"


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
    """The folders of this session: chosen in the header, or given at the start."""
    given, data = _given(), _chosen("dataset")
    # Masks of the command line belong to its dataset, not to one that was chosen later.
    masks = _chosen("masks") or (None if data else given.masks_elsewhere)
    return Folders(data or given.data, _chosen("runs_folder") or given.runs, masks)


def open_folder(use: Use, folder: Path) -> None:
    """Choose `folder` in this session, and make it known to the server.

    Call it in a callback: the header sets its fields from what is chosen.
    """
    given = _given()
    st.session_state[use] = remember(given.runs, use, _folder(given, use), folder)
    st.session_state.pop(_UNKNOWN, None)


def page_address(page: str, **parameters: str) -> str:
    """The relative address of a page for this session's folders, `parameters` at its end.

    For links that open a new session, such as those in tables.
    """
    folders = {use: _chosen_name(use) for use in _TITLES if _chosen(use)}
    return f"{page}?{urlencode(folders | parameters, quote_via=quote, safe='/')}"


def choose_folders() -> None:
    """Draw the button of the header that shows the folders, and opens the choice of others."""
    _notice_unknown()
    label = f"{_chosen_name('dataset')} · {_chosen_name('runs_folder')}"
    with st.popover(plain(label), icon=":material/folder_open:"), st.container(gap="xsmall"):
        for use in _TITLES:
            _choose(use)
        _show_opening()


def show_unknown_folder() -> None:
    """Draw a warning if the address names a folder that this server does not know."""
    if unknown := st.session_state.get(_UNKNOWN):
        st.warning(
            f"The address names {plain(unknown)}, which this server does not know. Open that "
            "folder once with the button of folders in the header.",
            icon=":material/folder_off:",
        )


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


@cached.once  # each link of a page asks
def _known(use: Use) -> dict[str, Path]:
    """The folders that can be chosen for `use`, by name; the first stands for the default."""
    given = _given()
    return known_folders(given.runs, use, _folder(given, use))


def _chosen_name(use: Use) -> str:
    known = _known(use)
    name = st.session_state.get(use) or st.query_params.get(use)
    return name if name in known else next(iter(known))


def _chosen(use: Use) -> Path | None:
    """The folder that was chosen for `use`; None stands for the default."""
    _default, *others = _known(use).items()
    return dict(others).get(_chosen_name(use))


def _folder(folders: Folders, use: Use) -> Path:
    return {"dataset": folders.data, "masks": folders.masks, "runs_folder": folders.runs}[use]


def _choose(use: Use) -> None:
    """Draw the choice among the known folders, and the path of the chosen one."""
    name = st.selectbox(
        _TITLES[use],
        list(_known(use)),
        key=use,
        bind="query-params",
        help=_HELP[use],
        on_change=st.session_state.pop,
        args=(_UNKNOWN, None),
    )
    path = _folder(current_folders(), use)
    if use != "dataset" or path.is_dir():
        st.caption(plain(path))
    else:
        # By its name: the home of another user is not shown to whoever asks.
        missing = name if _chosen(use) else path
        st.caption(f":material/warning: {plain(missing)} does not exist.")


def _show_opening() -> None:
    """Draw a form that opens a folder by its path."""
    with st.form("open_folder", border=False):
        st.segmented_control(
            "Open another folder",
            list(_TITLES),
            format_func=lambda use: _TITLES[use],
            default="dataset",
            required=True,
            key="open_use",
        )
        with st.container(horizontal=True):
            st.text_input(
                "Path on this machine",
                key="open_path",
                placeholder="/home/me/cityscapes",
                label_visibility="collapsed",
            )
            st.form_submit_button("Open", key="open_folder_button", on_click=_open_typed)
    if refused := st.session_state.pop(_REFUSED, None):
        st.caption(f":red[:material/error: {plain(sentence(refused))}]")


def _open_typed() -> None:
    """Open the folder whose path was typed, or keep the reason why it cannot be opened."""
    state = st.session_state
    try:
        if text := state["open_path"].strip():
            open_folder(state["open_use"], typed_path(text))
            state["open_path"] = ""
    except ConfigError as error:
        state[_REFUSED] = error


def _notice_unknown() -> None:
    """Keep the name in the address that no folder has: the fields remove it from there."""
    for use, title in _TITLES.items():
        name = st.query_params.get(use)
        if name is not None and name not in _known(use):
            st.session_state[_UNKNOWN] = f"the folder {name} ({title.lower()})"


def _given() -> Folders:
    """The folders of the command line, such as `cityseg app --data DATA --runs RUNS`."""
    return _parse_folders(tuple(sys.argv[1:]), default_root(), default_runs())


@lru_cache(maxsize=8)  # a page asks dozens of times
def _parse_folders(arguments: tuple[str, ...], data: Path, runs: Path) -> Folders:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--runs", type=Path, default=runs)
    parser.add_argument("--masks", type=Path)
    # Under AppTest, argv holds the arguments of pytest.
    options, _ = parser.parse_known_args(arguments)
    return Folders(options.data, options.runs, options.masks)
