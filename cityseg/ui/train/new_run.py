"""A new run on the page Train: its form, what it will take, and the button that starts it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.config import TrainConfig, make_config
from cityseg.errors import CitysegError
from cityseg.jobs import Entry
from cityseg.system import device_key
from cityseg.ui import shell
from cityseg.ui.folders import Folders
from cityseg.ui.run_labels import state_badge
from cityseg.ui.text import plain, sentence
from cityseg.ui.train import costs, run_list, settings_form, starting
from cityseg.ui.train.form_state import Form, current_form
from cityseg.ui.train.starting import Starting

#: The id of the start that this session waits for.
_STARTED: Final = "train_started"
_AT_ONCE: Final = "train_now"
_POLL_SECONDS: Final = 0.3


def show_new_run(folders: Folders, entries: Sequence[Entry]) -> None:
    """Draw the form, and the button that starts the run it describes."""
    form, aside = st.columns([3, 2], gap="large")
    with form:
        values, problems = settings_form.show_form(folders)
    with aside, st.container(border=True):
        if problems:
            _show_problems(problems)
        config = None if problems else make_config(values)
        is_ready = False
        if config:
            with shell.errors_shown():
                is_ready = costs.show_cost(config, folders.runs, entries)
        _show_start(folders, entries, config if is_ready else None)


def follow_start(runs: Path) -> list[Starting]:
    """Open the run that this session has started, as soon as it is there; what is still pending.

    Call it before anything is drawn. Raises what the start has raised.
    """
    start = starting.find(st.session_state.get(_STARTED, ""))
    if start and start.future.done():
        del st.session_state[_STARTED]
        try:
            run_list.choose(start.future.result()[0].id)
        except CitysegError as error:
            st.session_state[run_list.VIEW] = run_list.VIEWS[1]
            current_form().notice = str(error)
    return starting.pending(runs)


def show_pending(starts: Sequence[Starting]) -> None:
    """Draw the runs that are being started, and run the page again once they are there."""
    st.fragment(_draw_pending, run_every=_POLL_SECONDS)(starts)


def _draw_pending(starts: Sequence[Starting]) -> None:
    if any(start.future.done() for start in starts):
        st.rerun()
    for start in starts:
        count = len(start.configs)
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            state_badge("starting")
            st.markdown(plain(start.title or ("The new run" if count == 1 else f"{count} runs")))


def _show_problems(problems: dict[str, str]) -> None:
    lines = [
        f"- **{plain(settings_form.label_of(name))}**: {plain(sentence(message))}"
        if name
        else f"- {plain(sentence(message))}"
        for name, message in problems.items()
    ]
    st.error("\n".join(["Not ready to start:", "", *lines]), icon=":material/error:")


def _show_start(folders: Folders, entries: Sequence[Entry], config: TrainConfig | None) -> None:
    """Draw the button that starts a run of `config`."""
    if config and (ahead := _count_ahead(entries, config)):
        runs = "1 run is" if ahead == 1 else f"{ahead} runs are"
        st.caption(f"{runs} on this device: the new run waits and starts by itself.")
        st.checkbox("Start at once, beside the other runs", key=_AT_ONCE)
    form = current_form()
    st.button(
        "Start training",
        # Another button after each filling in: one that shows other settings starts nothing.
        key=f"train_start_{form.click}",
        type="primary",
        icon=":material/play_arrow:",
        disabled=config is None,
        width="stretch",
        on_click=_start,
        args=(folders, form, form.click),
    )
    if form.notice:
        st.error(plain(sentence(form.notice)), icon=":material/error:")


def _start(folders: Folders, form: Form, click: str) -> None:
    """Start the run that the form describes.

    In the callback, which runs before the script and hardly can be ended: a reload ends the script.
    """
    form.sync()  # a preset or an edit of the same moment may have its own call after this one
    if starting.find(click):
        return  # a second click
    if click != form.click:
        form.notice = (
            "The form was filled in just before the click, so nothing was started: look at its "
            "settings, then start"
        )
        return
    values = settings_form.form_values(form, folders)
    if settings_form.find_form_problems(values):
        return  # the page shows them
    now = bool(st.session_state.get(_AT_ONCE))
    starting.begin(click, [make_config(values)], folders.runs, now=now)
    form.renew_click()
    st.session_state[_STARTED] = click
    st.session_state[run_list.VIEW] = run_list.VIEWS[0]


def _count_ahead(entries: Sequence[Entry], config: TrainConfig) -> int:
    device = device_key(config.device)
    return sum(
        e.state is not None and e.state.is_live and e.state.device in (device, "") for e in entries
    )
