"""The tables of findings of a dataset, and the audit as a task in the background."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.data import SPLITS
from cityseg.errors import CheckpointError
from cityseg.evaluation import find_evidence
from cityseg.jobs import Task, list_runs
from cityseg.review import AUDIT, NETWORK, findings_folder
from cityseg.runs import BOX_TITLE, BoxRun, RunDir
from cityseg.ui import progress
from cityseg.ui.folders import Folders
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import plain, utf8

#: The choices of a table: what they are called, and their files.
TABLES: Final = {"Without a network": AUDIT, "With a network": NETWORK}
_ABOUT: Final = (
    "Read every annotation and picture once, without a network: islands and slivers, labels at "
    "unlikely places or beside unlikely neighbours, files that disagree, copies, and pictures that "
    "are dark or blurred. Nothing in the dataset is changed."
)


def tables_of(folders: Folders) -> dict[str, Path]:
    """The tables of findings that there are, by their keys in TABLES."""
    folder = findings_folder(folders.data, folders.runs)
    return {title: folder / name for title, name in TABLES.items() if (folder / name).is_file()}


def task_of(folders: Folders) -> Task:
    """The audit of the dataset."""
    return Task.of(folders.runs, "audit", folders.data)


def show_start(folders: Folders) -> None:
    """Draw that there are no findings yet, and the button that makes some."""
    if not task_of(folders).state().is_live:
        st.info(
            f"No regions to review yet: audit the annotations of {plain(folders.data.name)} first.",
            icon=":material/fact_check:",
        )
    show_button(folders, "Start the audit", type_="primary")
    show_progress(folders)


def networks_of(folders: Folders) -> dict[str, Path]:
    """The folders of the networks that have evidence on this dataset, by their names."""
    entries = [entry for entry in list_runs(folders.runs) if entry.config]
    names = distinct_names(entries)
    found = {names[entry.id]: entry.run for entry in entries}
    with suppress(CheckpointError):  # no network ships
        found = {BOX_TITLE: BoxRun.below(folders.runs), **found}
    return {name: run.path for name, run in found.items() if _has_evidence(run, folders.data)}


def _has_evidence(run: RunDir, data: Path) -> bool:
    return any(
        about.is_done and about.is_of(data)
        for split in SPLITS
        for _, about in find_evidence(run.evidence, split)
    )


def show_button(folders: Folders, label: str, type_: str = "secondary") -> None:
    """Draw the button that starts the audit, and the choice of networks that have evidence."""
    task = task_of(folders)
    networks = networks_of(folders)
    chosen: list[str] = []
    if networks:
        chosen = st.multiselect(
            "Compare with networks",
            list(networks),
            default=list(networks),
            format_func=utf8,
            key="networks",
            help="Regions where a network is sure of another class are ranked, too. It must not "
            "have learned from these frames. Evidence is collected on the page Results.",
        )
    is_pressed = st.button(
        label,
        type="primary" if type_ == "primary" else "secondary",
        icon=":material/policy:",
        disabled=task.state().is_live,
        help=_ABOUT,
    )
    if is_pressed:
        with errors_shown():
            evidence = [each for name in chosen for each in ("--evidence", networks[name])]
            places = ("--masks", folders.masks, "--runs", folders.runs)
            task.start(folders.data, *places, *evidence)
            st.rerun()


def show_progress(folders: Folders) -> None:
    """Draw how far the audit is, or why it failed."""
    progress.show(task_of(folders), key="audit")


def made_at(path: Path) -> str:
    """When a table was made: "28 Nov 2026, 23:05"."""
    return f"{datetime.fromtimestamp(path.stat().st_mtime):%d %b %Y, %H:%M}"
