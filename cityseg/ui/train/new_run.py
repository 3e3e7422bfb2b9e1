"""A new run on the page Train: its form, what it will take, and the button that starts it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.config import TrainConfig, make_config
from cityseg.errors import CitysegError
from cityseg.estimates import relative_time
from cityseg.jobs import Entry, not_queued
from cityseg.places import LOCAL, configured_places, settings_file
from cityseg.system import device_keys
from cityseg.ui import shell
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import duration_range
from cityseg.ui.run_labels import STARTING, state_badge
from cityseg.ui.text import plain, sentence
from cityseg.ui.train import costs, run_list, settings_form, starting, variants
from cityseg.ui.train.form_state import Form, current_form
from cityseg.ui.train.starting import Starting
from cityseg.wording import counted

_AT_ONCE: Final = "train_now"
_PLACE: Final = "train_place"
_PLACE_LABELS: Final = {LOCAL: "This machine", "slurm": "Slurm", "ray": "Ray"}
#: Whether the fields for variants are shown.
_VARIANTS: Final = "train_variants"
_POLL_SECONDS: Final = 0.3
_STALE: Final = (
    "The form was filled in just before the click, so nothing was started: look at its settings, "
    "then start"
)


def show_new_run(folders: Folders, entries: Sequence[Entry]) -> None:
    """Draw the form, and the button that starts the run it describes."""
    form, aside = st.columns([5, 3], gap="medium")
    with form:
        values, problems = settings_form.show_form(folders)
    config, is_ready = None if problems else make_config(values), False
    with aside, st.container(border=True):
        if problems:
            _show_problems(problems)
        if config:
            with shell.errors_shown():
                is_ready = costs.show_cost(config, folders.runs, entries)
        _show_place()
        _show_start(folders, entries, config if is_ready else None)
    with form:
        several = st.expander(
            "Several variants", icon=":material/grid_view:", key=_VARIANTS, on_change="rerun"
        )
        if several.open:
            with several:
                _show_variants(folders, entries, values, config if is_ready else None)


def follow_start(runs: Path) -> list[Starting]:
    """Open the run that this session has started, as soon as it is there; what is still pending.

    Call it before anything is drawn. Raises what the start has raised.
    """
    start = starting.find(st.session_state.get(run_list.STARTED, ""))
    if start and start.future.done():
        try:
            if started := start.future.result():
                run_list.open_new_run(started[0].id)
        except CitysegError as error:
            st.session_state[run_list.VIEW] = run_list.VIEWS[1]
            current_form().notice = str(error)
        # Last: the next click may end this at any access to the session or the address.
        del st.session_state[run_list.STARTED]
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
            state_badge(STARTING)
            title = f"{start.title}: {count} runs" if start.group else start.title
            st.markdown(plain(title or "The new run"))


def _show_problems(problems: dict[str, str]) -> None:
    lines = [
        f"- **{plain(settings_form.label_of(name))}**: {plain(sentence(message))}"
        if name
        else f"- {plain(sentence(message))}"
        for name, message in problems.items()
    ]
    st.error("\n".join(["Not ready to start:", "", *lines]), icon=":material/error:")


def _show_place() -> None:
    """Draw the choice of a place, if places.toml has more than this machine."""
    try:
        places = [LOCAL, *configured_places()]
    except CitysegError as error:
        st.warning(plain(sentence(error)), icon=":material/dns:")
        return
    if len(places) == 1:
        return
    form = current_form()
    if st.session_state.get(_PLACE) not in places:
        st.session_state[_PLACE] = form.place if form.place in places else LOCAL
    form.place = st.selectbox(
        "Train on",
        places,
        key=_PLACE,
        format_func=_PLACE_LABELS.__getitem__,
        help=f"This machine, and the clusters of {plain(str(settings_file()))}.",
    )
    if form.place != LOCAL:
        st.caption(
            "The cluster decides when the run begins. It needs the dataset and the folder of runs "
            "under the same paths. The estimate is for this machine."
        )


def _chosen_place() -> str:
    return str(st.session_state.get(_PLACE, LOCAL))


def _show_start(folders: Folders, entries: Sequence[Entry], config: TrainConfig | None) -> None:
    """Draw the button that starts a run of `config`."""
    is_here = _chosen_place() == LOCAL
    if is_here and config and (ahead := _count_ahead(entries, config)):
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


def _show_variants(
    folders: Folders,
    entries: Sequence[Entry],
    values: dict[str, Any],
    config: TrainConfig | None,
) -> None:
    """Draw the fields for variants of `config`, and the button that queues them."""
    form = current_form()
    variants.show_fields(form)
    found = variants.read_variants(form, values) if config else None
    if found:
        variants.show_titles(found)
    configs = not_queued(found.group, folders.runs) if found and not found.problems else []
    is_known = bool(found and not found.problems and not configs)
    st.button(
        "All of these runs exist" if is_known else _queue_label(folders, entries, config, configs),
        key=f"train_queue_{form.click}",
        icon=":material/playlist_add:",
        disabled=not configs,
        width="stretch",
        on_click=_queue,
        args=(folders, form, form.click, len(configs)),
    )


def _queue_label(
    folders: Folders,
    entries: Sequence[Entry],
    config: TrainConfig | None,
    configs: Sequence[TrainConfig],
) -> str:
    """How many runs of `configs`, variants of `config`, would be queued, and for how long."""
    if config is None or not configs:
        return "Queue the variants"
    label = f"Queue {counted(len(configs), 'run')}"
    with suppress(CitysegError):  # shown with the estimate of a single run
        if seconds := costs.expected_seconds(config, folders.runs, entries):
            times = sum(relative_time(each, config) for each in configs)
            low, high = (times * each for each in seconds)
            return f"{label} (~ {duration_range(low, high)})"
    return label


def _start(folders: Folders, form: Form, click: str) -> None:
    """Start the run that the form describes.

    In the callback, which runs before the script and hardly can be ended: a reload ends the script.
    """
    if (values := _clicked_values(folders, form, click)) is not None:
        _begin(folders, form, [make_config(values)])


def _queue(folders: Folders, form: Form, click: str, count: int) -> None:
    """Start the variants that the form describes, `count` runs as the button said."""
    if (values := _clicked_values(folders, form, click)) is None:
        return
    found = variants.read_variants(form, values)
    if found is None or found.problems:
        return  # the page shows them
    if len(not_queued(found.group, folders.runs)) != count:
        form.notice = _STALE
        return
    _begin(folders, form, found.group.configs, found.group.name)
    st.query_params[run_list.GROUP] = found.group.name


def _clicked_values(folders: Folders, form: Form, click: str) -> dict[str, Any] | None:
    """The values of the form for a click on a button that stood for `click`; None if not valid."""
    form.sync()  # a preset or an edit of the same moment may have its own call after this one
    if starting.find(click):  # a second click, whose message has brought back the form
        run_list.show_list()
        return None
    if click != form.click:
        form.notice = _STALE
        return None
    values = settings_form.form_values(form, folders)
    return None if settings_form.find_form_problems(values) else values  # the page shows them


def _begin(folders: Folders, form: Form, configs: Sequence[TrainConfig], group: str = "") -> None:
    place = _chosen_place()
    now = bool(st.session_state.get(_AT_ONCE)) and place == LOCAL
    starting.begin(form.click, configs, folders.runs, now=now, group=group, place=place)
    st.session_state[run_list.STARTED] = form.click
    run_list.await_new_run()
    form.renew_click()


def _count_ahead(entries: Sequence[Entry], config: TrainConfig) -> int:
    """How many runs the one to be started waits for; of those by hand, the device is unknown."""
    devices = set(device_keys(config.device, config.devices))
    live = [e.state.devices for e in entries if e.state and e.state.is_live]
    return sum(not each or not devices.isdisjoint(each) for each in live)
