"""What people say about runs, and the archive, on the page Train."""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import streamlit as st

from cityseg.errors import CitysegError
from cityseg.jobs import Entry, list_runs
from cityseg.runs import (
    RunDir,
    archive_run,
    archived_runs,
    delete_run,
    restore_run,
    write_notes,
)
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.text import plain, sentence, utf8
from cityseg.ui.train import run_list, run_table
from cityseg.wording import counted

#: The runs that were archived last, and why an action failed.
_ARCHIVED: Final = "train_archived"
_PROBLEM: Final = "train_problem"
_CHOSEN: Final = "train_archive_chosen"

_Result = TypeVar("_Result")


def show_notes(entry: Entry) -> None:
    """Draw the button that opens the fields for name, note and tags of a run."""
    with (
        st.popover("Name, note, tags", icon=":material/edit_note:"),
        st.form(f"notes-{entry.id}", border=False),
    ):
        title = entry.config.title if entry.config else ""
        # Notes that change elsewhere get new fields: what these still show would replace them.
        key = f"{entry.id}-{zlib.crc32(repr(entry.notes).encode(errors='replace')):08x}"
        st.text_input("Name", entry.notes.name, placeholder=title or entry.id, key=f"name-{key}")
        st.text_area("Note", entry.notes.note, key=f"note-{key}")
        tags = _written(entry.notes.tags)
        st.text_input("Tags", tags, placeholder="baseline, to repeat", key=f"tags-{key}")
        st.form_submit_button("Save", type="primary", on_click=_save, args=(entry, key))


def show_archive_button(entries: Sequence[Entry], label: str, key: str) -> None:
    """Draw the button that archives runs; disabled while one of them trains."""
    is_live = any(entry.state and entry.state.is_live for entry in entries)
    first = "Stop it first." if len(entries) == 1 else "One of them still trains or waits."
    st.button(
        label,
        key=key,
        icon=":material/archive:",
        disabled=is_live,
        help=first if is_live else "Put away. Nothing is deleted.",
        on_click=_archive,
        args=([entry.run for entry in entries],),
    )


def show_last_action() -> None:
    """Draw what was archived last, with the way back, or why that failed."""
    if problem := st.session_state.pop(_PROBLEM, ""):
        st.error(plain(sentence(problem)), icon=":material/error:")
    runs: list[RunDir] = st.session_state.get(_ARCHIVED, [])
    if runs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f":material/archive: {counted(len(runs), 'run')} archived.")
            st.button("Undo", icon=":material/undo:", on_click=_restore, args=(runs,))


def show_archive(runs: Path) -> None:
    """Draw the archived runs, to be brought back or deleted."""
    entries = list_runs(archived_runs(runs))
    if not entries:
        return
    names = distinct_names(entries)
    with st.expander(f"Archive: {counted(len(entries), 'run')}", icon=":material/archive:"):
        st.session_state[_CHOSEN] = [i for i in st.session_state.get(_CHOSEN, []) if i in names]
        chosen = st.multiselect(
            "Archived runs", list(names), format_func=lambda run: utf8(names[run]), key=_CHOSEN
        )
        found = [entry.run for entry in entries if entry.id in chosen]
        with st.container(horizontal=True):
            st.button(
                "Bring back",
                icon=":material/unarchive:",
                disabled=not found,
                on_click=_restore,
                args=(found,),
            )
            if st.button("Delete …", icon=":material/delete_forever:", disabled=not found):
                _confirm_deletion(found)


@st.dialog("Delete for good?")
def _confirm_deletion(runs: Sequence[RunDir]) -> None:
    st.markdown(
        f"{counted(len(runs), 'run')} with weights, scores and logs. This cannot be undone."
    )
    st.caption(plain(", ".join(run.path.name for run in runs)))
    if st.button(
        "Delete",
        type="primary",
        icon=":material/delete_forever:",
        on_click=_delete,
        args=(runs,),
    ):
        st.rerun()  # which closes the dialog


def report_problem(error: CitysegError) -> None:
    """Show why an action failed, once; for callbacks."""
    st.session_state[_PROBLEM] = str(error)


def _save(entry: Entry, key: str) -> None:
    name, note, text = (str(st.session_state[f"{f}-{key}"]) for f in ("name", "note", "tags"))
    tags = list(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
    if text == _written(entry.notes.tags):  # the name of a group may have a comma
        tags = list(entry.notes.tags)
    try:
        write_notes(entry.run, name.strip(), note.strip(), tags)
    except CitysegError as error:
        report_problem(error)


def _written(tags: Sequence[str]) -> str:
    return ", ".join(tags)


def _archive(runs: Sequence[RunDir]) -> None:
    st.session_state[_ARCHIVED] = archived = _each(archive_run, runs)
    run_table.forget_ticks()
    if st.query_params.get(run_list.RUN) in {run.path.name for run in archived}:
        del st.query_params[run_list.RUN]


def _restore(runs: Sequence[RunDir]) -> None:
    _each(restore_run, runs)
    st.session_state.pop(_ARCHIVED, None)


def _delete(runs: Sequence[RunDir]) -> None:
    _each(delete_run, runs)


def _each(act: Callable[[RunDir], _Result], runs: Sequence[RunDir]) -> list[_Result]:
    """The results of `act` for each run; it ends with the first that fails, which is shown."""
    done: list[_Result] = []
    try:
        done.extend(act(run) for run in runs)  # keeps those before one that fails
    except CitysegError as error:
        report_problem(error)
    return done
