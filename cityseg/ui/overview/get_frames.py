"""Ways to get frames: a sample city made on this machine, the zips of Cityscapes, or pairs."""

import zipfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.errors import ConfigError
from cityseg.jobs import Task
from cityseg.system import free_bytes
from cityseg.ui import progress
from cityseg.ui.folders import Folders, typed_path
from cityseg.ui.overview import get_pairs
from cityseg.ui.overview.get_pairs import pairs_task
from cityseg.ui.text import plain, sentence
from cityseg.wording import readable_size

_DOWNLOAD: Final = """\
pip install cityscapesscripts
csDownload leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip"""

#: Frames of the sample city: enough to train on for a moment, made in less than a minute.
_SAMPLE: Final = {"train": 24, "val": 8, "test": 4}


def is_busy(folders: Folders) -> bool:
    """Whether frames are being made or unpacked."""
    tasks = (sample_task, import_task, pairs_task)
    return any(task(folders).state().is_live for task in tasks)


def show(folders: Folders, problem: str) -> None:
    """Draw all ways, and why there are no frames yet."""
    st.markdown("Look into Cityscapes, train a segmentation network on it, see what it does.")
    has_pairs = get_pairs.is_recognised(folders)
    if has_pairs:
        with st.container(border=True):
            get_pairs.show_pairs(folders)
    elif problem and not is_busy(folders):
        st.info(
            f"{plain(sentence(problem))}  \nIf the frames are elsewhere, open their folder with "
            "the button at the top right.",
            icon=":material/folder_off:",
        )
    with st.expander("Other frames") if has_pairs else nullcontext():
        left, right = st.columns(2, border=True)
        with left:
            show_sample(folders)
        with right:
            show_import(folders)
    if not has_pairs:
        is_live = pairs_task(folders).state().is_live
        with st.expander("Use image pairs", icon=":material/palette:", expanded=is_live):
            get_pairs.show_pairs(folders)


def sample_task(folders: Folders) -> Task:
    """The task that makes a sample city in the dataset's folder."""
    return Task.of(folders.runs, "sample", folders.data)


def import_task(folders: Folders) -> Task:
    """The task that unpacks zips into the dataset's folder."""
    return Task.of(folders.runs, "import", folders.data)


def show_sample(folders: Folders) -> None:
    """Draw a button that makes the sample city."""
    task = sample_task(folders)
    st.header("Try it with a sample city")
    st.markdown(
        f"{sum(_SAMPLE.values())} drawn street scenes with their annotations, made on this machine "
        f"in less than a minute, into **{plain(folders.data)}**. They show every page at work; a "
        "network that has learned from them knows nothing of real streets."
    )
    if st.button(
        "Make the sample city",
        type="primary",
        icon=":material/location_city:",
        disabled=task.state().is_live,
    ):
        numbers = [each for split, count in _SAMPLE.items() for each in (f"--{split}", count)]
        task.start(folders.data, *numbers)
        st.rerun()
    progress.show(task, key="sample")


def show_import(folders: Folders) -> None:
    """Draw where to get Cityscapes, and a form that unpacks its zips."""
    task = import_task(folders)
    st.header("Use Cityscapes")
    st.markdown(
        "1. Register at [cityscapes-dataset.com](https://www.cityscapes-dataset.com); it is free "
        "for research.\n"
        "2. Download the two zips, 11 GB, there or with the official tool. Copies from Kaggle "
        "work as well."
    )
    # Without the colours of a language, which lack contrast in the dark.
    st.code(_DOWNLOAD, language=None, wrap_lines=True)
    st.markdown(f"3. Unpack them here, into **{plain(folders.data)}**.")
    with st.form("import", border=False):
        typed = st.text_area(
            "Paths of the zips on this machine, one per line",
            placeholder="/home/me/leftImg8bit_trainvaltest.zip\n/home/me/gtFine_trainvaltest.zip",
            height=90,
            help="They are read where they are: 11 GB would take too long through a browser.",
        )
        is_pressed = st.form_submit_button(
            "Unpack", icon=":material/unarchive:", disabled=task.state().is_live
        )
    if is_pressed:
        zips, problems = read_paths(typed)
        problems += find_problems(zips) if zips or not problems else []
        for problem in problems:
            st.error(plain(problem), icon=":material/error:")
        if not problems:
            task.start(*zips, "--data", folders.data)
            st.rerun()
    progress.show(task, key="import", done="All frames of the zips are unpacked.")
    free = readable_size(free_bytes(folders.data))
    st.caption(f"{free} are free there; the two zips take about 12 GB unpacked.")


def read_paths(typed: str) -> tuple[list[Path], list[str]]:
    """The paths on the lines, and a sentence for each that can be none."""
    paths, problems = [], []
    for line in filter(None, map(str.strip, typed.splitlines())):
        try:
            paths.append(typed_path(line))
        except ConfigError as error:
            problems.append(sentence(error))
    return paths, problems


def find_problems(zips: Sequence[Path]) -> list[str]:
    """A sentence for each path that is no zip, or for their absence."""
    if not zips:
        return ["No path was given: name at least one zip."]
    return [
        f"{path} is not a zip: check the path, or download the file again."
        if path.is_file()
        else f"There is no file {path}: check the path."
        for path in zips
        if not path.is_file() or not zipfile.is_zipfile(path)
    ]
