"""Resuming a run on the page Train: as it is, with paths of this machine, or with more epochs."""

from typing import Any

import streamlit as st

from cityseg.config import RESUME_SETTINGS, TrainConfig
from cityseg.jobs import JobState, resume
from cityseg.runs import RunDir
from cityseg.runs.resuming import why_done
from cityseg.ui.folders import typed_path
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import plain, sentence, utf8
from cityseg.ui.train.settings_form import label_of

#: What no longer counts once a run has a training state.
_FIRST_WEIGHTS = ("start_from", "weights")
_PATHS = ("data", "masks", "store")


def show_resume(run: RunDir, config: TrainConfig, now: JobState) -> None:
    """Draw the button that resumes a run that has ended, and the fields for what may change."""
    if now.can_resume and st.button(
        "Resume",
        icon=":material/resume:",
        help="Continue from the last checkpoint.",
        type="primary",
    ):
        _resume(run, {})
    if now.can_resume or now.phase == "done":
        label = "Train longer" if now.phase == "done" else "Change paths or epochs"
        with st.popover(label, icon=":material/tune:"):
            _show_fields(run, config)


def _show_fields(run: RunDir, config: TrainConfig) -> None:
    st.caption(
        "A resumed run keeps its settings, except for the paths and the device of this machine and "
        "the length of the training."
    )
    skipped = _FIRST_WEIGHTS if run.last.exists() else ()
    before = {name: _text(config, name) for name in RESUME_SETTINGS if name not in skipped}
    typed = {
        name: st.text_input(label_of(name), text, key=f"resume-{name}-{run.id}")
        for name, text in before.items()
    }
    if st.button("Continue with these", type="primary", key=f"resume-{run.id}"):
        with errors_shown():
            changed = {name: text for name, text in typed.items() if text != before[name]}
            _resume(run, {name: _value(name, text) for name, text in changed.items()})


def _text(config: TrainConfig, name: str) -> str:
    value = getattr(config, name)
    return "" if value is None else utf8(value)


def _value(name: str, text: str) -> Any:
    """What a typed text stands for; an empty path is the default one. Raises ConfigError."""
    if name in _PATHS:
        return typed_path(text) if text.strip() else None
    return text


def _resume(run: RunDir, changes: dict[str, Any]) -> None:
    with errors_shown(), st.spinner("Resuming …"):
        if resume(run, changes):
            st.rerun()
        st.info(plain(sentence(why_done(run, changes))))
