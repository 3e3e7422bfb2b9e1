"""Around every page: the window, the header with the navigation, and errors as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.errors import CitysegError
from cityseg.labels import LABEL_OF_NAME
from cityseg.ui import bell, cached, garbage, restarts
from cityseg.ui.folders import choose_folders, current_folders, show_unknown_folder
from cityseg.ui.text import plain, sentence

_PAGES_FOLDER: Final = Path(__file__).resolve().parent / "pages"
#: File in the folder `pages`, address, title and icon of each page, in the order of the navigation.
PAGES: Final = (
    ("overview", "", "Overview", ":material/home:"),
    ("browse", "browse", "Browse", ":material/photo_library:"),
    ("masks", "masks", "Masks", ":material/layers:"),
    ("train", "train", "Train", ":material/model_training:"),
    ("results", "results", "Results", ":material/monitoring:"),
    ("review", "review", "Review", ":material/fact_check:"),
    ("predict", "predict", "Predict", ":material/image_search:"),
)
#: Streamlit's header holds only what is Streamlit's: the name stands behind its logo, and our
#: button lies over it. Pages begin close below.
_STYLE: Final = """<style>
.stMainBlockContainer { padding: 4.25rem 2rem 3rem; }
.stMainBlockContainer h1 { padding: 0 0 0.75rem; }
.stHorizontalBlock h1 { padding: 0.3rem 0; } /* as high as a button beside it */
.stAppHeader :has(> .stLogo) { display: flex; align-items: center; gap: 0.5rem; }
.stAppHeader :has(> .stLogo)::after { content: "cityseg"; font-weight: 600; }
.stStatusWidget, [data-testid="stStatusWidget"] { position: fixed; top: 3.5rem; right: 1rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-header) {
  position: fixed; top: 0.875rem; right: 3.75rem; width: auto; z-index: 999991;
}
.st-key-header .stHorizontalBlock { flex-wrap: nowrap; }
.st-key-header [data-testid="stPopoverButton"] { min-height: 2rem; padding: 0.25rem 0.5rem; }
.st-key-header [data-testid="stPopoverButton"] p {
  max-width: 14rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.st-key-header em, .st-key-Previous p, .st-key-Next p { /* for screen readers, beside an icon */
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
[data-testid="stTopNav"] { margin-right: 22rem; }
@media (min-height: 700px) {
  [data-testid="stLayoutWrapper"]:has(> .st-key-summary) {
    position: sticky; top: 3.75rem; z-index: 90; background: light-dark(#ffffff, #14161a);
  }
}
/* As high as the fields beside them. */
[data-variant="segmented_control"] { min-height: 2.5rem; }
.stMarkdown p { text-wrap: pretty; } /* no icon of a help alone in the last line */
[data-testid="stMetricValue"] { font-size: 1.5rem; }
[data-testid="stTable"] td:first-of-type { padding-left: 1rem; } /* as the head of its column */
/* On white, Streamlit's grey of axes and labels has too little contrast. */
.stPlotlyChart :is([class$="tick"], [class*="g-x"], [class*="g-y"], [class$="cbtitle"], .textpoint)
  text,
.stPlotlyChart .bartext-outside {
  fill: light-dark(#4a4e57, #e8eaed) !important;
}
/* Titles of the parts of a figure, which are bold there, are as strong as those beside them. */
.stPlotlyChart .annotation-text:has([style*="bold"]) {
  fill: light-dark(#16181d, #e8eaed) !important;
}
/* On the light accent of the dark theme Streamlit's white text has too little contrast. */
button[kind^="primary"]:enabled, .stMultiSelect span[title], .stMultiSelect span[title] ~ * {
  color: light-dark(#ffffff, #14161a);
}
/* Menus and dialogs stand outside of what knows the theme: the inverse of the text around. */
:is([data-testid="stPopoverBody"], [role="dialog"]) button[kind^="primary"]:enabled {
  color: rgb(from currentcolor calc(255 - r) calc(255 - g) calc(255 - b));
}
/* What the page has drawn no more stays until its run ends, which a prediction delays. */
[data-testid="stPopoverBody"]:has([data-testid="stProgress"])
  :is(.st-key-export_start, .st-key-export_download) {
  display: none;
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
@media (min-width: 1280px) {
  .stStatusWidget, [data-testid="stStatusWidget"] { top: 0.8rem; right: 26rem; }
}
@media (max-width: 1150px) {
  [data-testid="stTopNav"] { margin-right: 8rem; }
  [data-testid="stTopNavLink"] span:has(> span > [data-testid="stIconMaterial"]) { display: none; }
  .st-key-header [data-testid="stPopoverButton"] p { max-width: 6rem; }
  [data-variant="segmented_control"] { padding-inline: 0.75rem; }
}
</style>"""


def run() -> None:
    """Draw the shell, and in it the page that the address names: one run of the script."""
    garbage.spare_what_stays()
    st.set_page_config("cityseg", _icon(), layout="wide")
    st.logo(_icon(), size="medium")
    st.html(_STYLE)
    pages = [
        st.Page(page_file(name), title=title, icon=icon, url_path=path, default=not path)
        for name, path, title, icon in PAGES
    ]
    page = st.navigation(pages, position="top")
    with cached.one_look():
        with st.container(key="header"):
            with st.container(horizontal=True, gap="xxsmall"):
                choose_folders()
                bell.show(current_folders().runs, page_file("train"))
            restarts.follow()
        show_unknown_folder()
        with errors_shown():
            page.run()


@cache
def _icon() -> Image.Image:
    """A street as a label map.

    A picture, because Streamlit would make the browser fetch an icon given by name from another
    host.
    """
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


def has_frames(data: Path, masks: Path) -> bool:
    """Whether there are frames below `data`; if not, draw why, and the way to get some."""
    problem = cached.missing_frames(data, masks)
    if problem:
        st.info(plain(sentence(problem)), icon=":material/folder_off:")
        st.page_link(page_file("overview"), label="Get frames", icon=":material/home:")
    return not problem


@contextmanager
def errors_shown() -> Iterator[None]:
    """Draw a CitysegError of the block as a sentence; the rest of the page stays."""
    try:
        yield
    except CitysegError as error:
        st.error(plain(sentence(error)), icon=":material/error:")
