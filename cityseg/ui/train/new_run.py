"""A new run on the page Train: its form, what it will take, and the button that starts it."""

from collections.abc import Sequence
from uuid import uuid4

import streamlit as st

from cityseg import jobs
from cityseg.config import TrainConfig, make_config
from cityseg.jobs import Entry
from cityseg.system import device_key
from cityseg.ui import shell
from cityseg.ui.folders import Folders
from cityseg.ui.text import plain, sentence
from cityseg.ui.train import costs, run_list, settings_form

#: The id of the start that the button stands for, until the run has started.
_CLICK = "train_click"


def show_new_run(folders: Folders, entries: Sequence[Entry]) -> None:
    """Draw the form, and start the run it describes when asked to."""
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


def _show_problems(problems: dict[str, str]) -> None:
    lines = [
        f"- **{plain(settings_form.label_of(name))}**: {plain(sentence(message))}"
        if name
        else f"- {plain(sentence(message))}"
        for name, message in problems.items()
    ]
    st.error("\n".join(["Not ready to start:", "", *lines]), icon=":material/error:")


def _show_start(folders: Folders, entries: Sequence[Entry], config: TrainConfig | None) -> None:
    """Draw the button that starts a run of `config`.

    At a second click Streamlit ends this script, wherever it is, and runs it again. The id of the
    start stays in the session until `jobs.start` has returned, which makes one run of both.
    """
    now = False
    if config and (ahead := _count_ahead(entries, config)):
        runs = "1 run is" if ahead == 1 else f"{ahead} runs are"
        st.caption(f"{runs} on this device: the new run waits and starts by itself.")
        now = st.checkbox("Start at once, beside the other runs", key="train_now")
    if (
        st.button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            disabled=config is None,
            width="stretch",
        )
        and config
    ):
        click = st.session_state.setdefault(_CLICK, uuid4().hex)
        with st.spinner("Starting …"):
            run = jobs.start(config, folders.runs, now=now, click=click)
            del st.session_state[_CLICK]
        run_list.open_next(run.id)
        st.rerun()


def _count_ahead(entries: Sequence[Entry], config: TrainConfig) -> int:
    device = device_key(config.device)
    return sum(
        e.state is not None and e.state.is_live and e.state.device in (device, "") for e in entries
    )
