"""Around every page: the window, the navigation, the folders in use, errors as sentences."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE, default_root, default_runs
from cityseg.errors import CitysegError
from cityseg.labels import LABEL_OF_NAME
from cityseg.ui import restarts
from cityseg.ui.text import plain, shown

_PAGES_FOLDER: Final = Path(__file__).resolve().parent / "pages"
#: File in the folder `pages`, address, title and icon of each page, in the order of the navigation.
PAGES: Final = (
    ("overview", "", "Overview", ":material/home:"),
    ("browse", "browse", "Browse", ":material/photo_library:"),
    ("masks", "masks", "Masks", ":material/layers:"),
    ("train", "train", "Train", ":material/model_training:"),
    ("results", "results", "Results", ":material/monitoring:"),
    ("predict", "predict", "Predict", ":material/image_search:"),
)
#: Streamlit leaves a hand's breadth free above every page.
_STYLE: Final = """<style>.stMainBlockContainer { padding: 4rem 2rem 3rem; }</style>"""


@dataclass(frozen=True, slots=True)
class Folders:
    """What a session looks at; `masks_elsewhere` where the masks do not lie in `data`."""

    data: Path
    runs: Path
    masks_elsewhere: Path | None = None

    @property
    def masks(self) -> Path:
        """Converted masks of `data`."""
        return self.masks_elsewhere or self.data / "masks"


def run() -> None:
    """One run of the script: the shell, and in it the page that the address names."""
    st.set_page_config("cityseg", _icon(), layout="wide", initial_sidebar_state="collapsed")
    st.html(_STYLE)
    pages = [
        st.Page(page_file(name), title=title, icon=icon, url_path=path, default=not path)
        for name, path, title, icon in PAGES
    ]
    page = st.navigation(pages, position="top")
    with st.sidebar:
        _choose_folders()
        restarts.follow()
    with errors_shown():
        page.run()


@cache
def _icon() -> Image.Image:
    """A street as a label map. An icon by its name would be fetched from elsewhere."""
    icon = np.empty((32, 32, 3), np.uint8)
    icon[:], icon[12:, :16], icon[12:, 16:] = map(_color, ("sky", "building", "vegetation"))
    below, aside = np.mgrid[:32, :32]
    icon[abs(aside - 16) < below - 10] = _color("road")
    icon[16:24, 18:25] = _color("car")
    return Image.fromarray(icon)


def _color(name: str) -> tuple[int, int, int]:
    return LABEL_OF_NAME[name].color


def page_file(name: str) -> Path:
    """The file of the page `name`, as `st.switch_page` and `st.page_link` want it.

    Streamlit accepts only files in the folder `pages` beside the session's script, if there is
    one: beside `app.py`, from which `AppTest` may start. The server's script has none beside it.
    """
    context = get_script_run_ctx()
    beside = Path(context.main_script_path).with_name("pages") if context else _PAGES_FOLDER
    return (beside if beside.is_dir() else _PAGES_FOLDER) / f"{name}.py"


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show a CitysegError of the block as its sentence; the rest of the page stands."""
    try:
        yield
    except CitysegError as error:
        st.error(plain(error), icon=":material/error:")


def folders() -> Folders:
    """The folders of this session: chosen in the sidebar, else given at the start."""
    given, data = _given(), _typed("data_folder")
    # What was given for masks belongs to the dataset that was given.
    masks = _typed("masks_folder") or (None if data else given.masks_elsewhere)
    return Folders(data or given.data, _typed("runs_folder") or given.runs, masks)


def _typed(key: str) -> Path | None:
    text = st.session_state.get(key)
    return Path(text).expanduser() if text else None


def _choose_folders() -> None:
    given = _given()
    st.subheader("Folders")
    st.text_input(
        "Dataset",
        key="data_folder",
        placeholder=shown(given.data),
        help=f"with leftImg8bit and gtFine in it; ${DATASET_VARIABLE} or --data sets the default",
    )
    if not folders().data.is_dir():
        st.caption(f":material/warning: {plain(folders().data)} is no folder")
    st.text_input(
        "Masks",
        key="masks_folder",
        placeholder=shown(folders().masks),
        help="where converted masks are kept, for a dataset that cannot be written; or --masks",
    )
    st.text_input(
        "Runs",
        key="runs_folder",
        placeholder=shown(given.runs),
        help=f"where training runs are kept; ${RUNS_VARIABLE} or --runs sets the default",
    )


def _given() -> Folders:
    """The folders of the command line: `streamlit run app.py -- --data DATA --runs RUNS …`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=default_root())
    parser.add_argument("--runs", type=Path, default=default_runs())
    parser.add_argument("--masks", type=Path)
    options, _ = parser.parse_known_args(sys.argv[1:])
    return Folders(options.data, options.runs, options.masks)
