"""The part of the page Overview that removes files which nobody needs any more."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from cityseg.jobs.cleaning import Leftover, find_leftovers, remove
from cityseg.ui import shell
from cityseg.ui.folders import Folders
from cityseg.ui.text import cell, plain, sentence
from cityseg.wording import counted, readable_size

# What was found stays in the session, so that folders are searched only when that is asked for, and
# exactly what a person has seen is removed.
_FOUND: Final = "cleanup_found"
_FOLDERS: Final = "cleanup_folders"
_CONFIRMING: Final = "cleanup_confirming"


def show_cleanup(folders: Folders) -> None:
    """Draw a button that searches, what it finds, and a button that removes it once confirmed."""
    if not (folders.data.exists() or folders.runs.exists()):
        return
    st.header("Disk space")
    st.caption(
        "Frame stores that fit no dataset any more, builds and writes that were killed, and old "
        "outputs of background tasks. Runs, masks and images always stay."
    )
    if st.session_state.get(_FOLDERS) != folders:
        _forget()
    if st.button("Look for files to remove", icon=":material/search:"):
        with shell.errors_shown(), st.spinner("Looking …"):
            found = find_leftovers(folders.data, folders.runs, folders.masks)
            st.session_state.update({_FOUND: found, _FOLDERS: folders, _CONFIRMING: False})
    if (leftovers := st.session_state.get(_FOUND)) is not None:
        _show_found(leftovers)


def _show_found(leftovers: Sequence[Leftover]) -> None:
    if leftovers:
        _show_table(leftovers)
    removable = [each for each in leftovers if not each.in_use]
    if not removable:
        st.markdown("There is nothing to remove.")
        return
    amount = f"{counted(len(removable), 'item')}, {_size(removable)}"
    if not st.session_state[_CONFIRMING]:
        label = f"Remove {amount}"
        st.button(label, icon=":material/delete:", on_click=_set_confirming, args=(True,))
        return
    st.warning(f"This removes {amount}. It cannot be undone.", icon=":material/delete_forever:")
    with st.container(horizontal=True):
        confirmed = st.button("Remove them", type="primary")
        st.button("Keep them", on_click=_set_confirming, args=(False,))
    if confirmed:
        with st.spinner("Removing …"):
            _remove(removable)


def _show_table(leftovers: Sequence[Leftover]) -> None:
    st.dataframe(
        [
            {
                "Size": each.size_bytes / 1e6,
                "Removed": not each.in_use,
                "Path": cell(each.path),
                "Reason": cell(sentence(each.in_use) if each.in_use else each.reason),
            }
            for each in leftovers
        ],
        hide_index=True,
        alt="Files that can be removed, and files in use",
        column_config={
            "Size": st.column_config.NumberColumn(format="%.1f MB", width="small"),
            "Removed": st.column_config.CheckboxColumn(width="small", help="Files in use stay."),
            "Path": st.column_config.TextColumn(width="large"),
            "Reason": st.column_config.TextColumn(width="large"),
        },
    )


def _remove(removable: Sequence[Leftover]) -> None:
    skipped = [problem for each in removable if (problem := remove(each))]
    _forget()
    for problem in skipped:
        st.error(plain(sentence(problem.detail)), icon=":material/error:")
    if removed := len(removable) - len(skipped):
        st.success(f"Removed {counted(removed, 'item')}.", icon=":material/check_circle:")


def _size(leftovers: Sequence[Leftover]) -> str:
    return readable_size(sum(each.size_bytes for each in leftovers))


def _set_confirming(is_confirming: bool) -> None:
    st.session_state[_CONFIRMING] = is_confirming


def _forget() -> None:
    for key in (_FOUND, _FOLDERS, _CONFIRMING):
        st.session_state.pop(key, None)
