"""Files that people hand in: a good one is kept, any other is refused with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Generic, Protocol, TypeVar

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cityseg.errors import CitysegError
from cityseg.ui.text import plain, sentence


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Kept = TypeVar("Kept", bound=_Named)


@dataclass(slots=True)
class _Field(Generic[Kept]):
    """The last good file, whether it is used, and whether the widget holds it.

    A browser replaces a file in two steps, so a good one is kept after it was removed: the next one
    may be refused.
    """

    number: int = 0
    # A browser shows what it holds again in a field of the same key, of which the next session, as
    # after a restart of the server, knows nothing.
    session: str = field(default_factory=lambda: token_hex(4))
    good: Kept | None = None
    file_id: str = ""
    is_used: bool = False
    is_held: bool = False
    problem: str = ""


def choose_file(
    label: str, key: str, accept: Callable[[UploadedFile], Kept], **settings: Any
) -> Kept | None:
    """Draw a field for a file; returns what `accept` made of the last good one, or None.

    A file for which `accept` raises CitysegError is not kept: the field is empty again, the reason
    stays until the next file, and the good file before is used. Types of files are left to
    `accept`, as the browser would refuse them in its own words. `settings` go to the widget.
    """
    held: _Field[Kept] = st.session_state.setdefault(f"{key}_field", _Field())
    # A widget with another key is a new one, and empty.
    file = st.file_uploader(label, key=f"{key}-{held.session}-{held.number}", **settings)
    if file is None and held.is_held:
        held.is_used = held.is_held = False
    elif file is not None and file.file_id != held.file_id:
        try:
            held.good = accept(file)
        except CitysegError as error:
            held.problem, held.number = str(error), held.number + 1
            held.is_used, held.is_held = held.good is not None, False
            release(file)
            st.rerun()
        held.file_id, held.problem = file.file_id, ""
        held.is_used = held.is_held = True
    good = held.good if held.is_used else None
    if held.problem:
        instead = f" {plain(good.name)} is used instead." if good else ""
        st.error(f"{plain(sentence(held.problem))}{instead}", icon=":material/error:")
    return good


def release(file: UploadedFile) -> None:
    """Free the memory of a file whose content is kept elsewhere.

    Streamlit has all files of a session in memory until its tab is closed, also those of fields
    that are not drawn any more.
    """
    context = get_script_run_ctx()
    if context and isinstance(manager := context.uploaded_file_mgr, MemoryUploadedFileManager):
        manager.remove_file(context.session_id, file.file_id)
