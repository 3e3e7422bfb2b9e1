"""One run on the page Train: its state, what can be done with it, and how training goes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pandas as pd
import streamlit as st

from cityseg.config import TrainConfig, make_config
from cityseg.errors import CitysegError
from cityseg.jobs import LIVE_PHASES, Entry, JobState, find_tracked, list_runs, state, stop, tail
from cityseg.runs import RunDir
from cityseg.ui import address, shell
from cityseg.ui.charts import RUN_COLORS
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import duration, percent
from cityseg.ui.run_labels import about_run, failure_reason, run_name, state_badge, state_label
from cityseg.ui.shell import page_file
from cityseg.ui.text import capitalised, plain, sentence, utf8
from cityseg.ui.train import about, groups, run_charts, run_pictures, run_table
from cityseg.ui.train.form_state import fill_form
from cityseg.ui.train.resuming import show_resume
from cityseg.ui.train.run_list import VIEW, VIEWS
from cityseg.ui.train.settings_form import label_of

_POLL_SECONDS: Final = 1.0
#: Charts ask less often: an epoch takes longer, and a training may need the cores.
_PARTS_SECONDS: Final = 3.0
#: To list so many takes a while: they are asked less often, too.
_MANY_RUNS: Final = 500
#: Why the last click on a button of the head had no effect.
_NOTICE: Final = "run_notice"
_LOG_LINES: Final = 200


def show_runs(folders: Folders, entries: Sequence[Entry], chosen: Entry) -> None:
    """Draw the table of runs and the head of the chosen one, and follow those that are live.

    Both come from one look at the folder, so that a run never has two states.
    """
    phases = _phases(entries)
    # A fragment with `run_every` polls for as long as the page is open: only while a run is live.
    is_live = any(each in LIVE_PHASES for each in phases.values())
    often = _POLL_SECONDS if len(entries) < _MANY_RUNS else _PARTS_SECONDS
    every = often if is_live else None
    st.fragment(_draw_runs, run_every=every)(folders, phases, chosen.id)


def show_parts(entry: Entry) -> None:
    """Draw how the training of a run goes, and follow it while it is live."""
    if entry.config and entry.state:
        every = _PARTS_SECONDS if entry.state.is_live else None
        st.fragment(_draw_parts, run_every=every)(entry.run, entry.config)


def _phases(entries: Sequence[Entry]) -> dict[str, str]:
    return {entry.id: entry.state.phase if entry.state else "" for entry in entries}


def _draw_runs(folders: Folders, phases: dict[str, str], chosen_id: str) -> None:
    with shell.errors_shown():
        entries = list_runs(folders.runs)
        if opened := run_table.take_opened():
            st.query_params["run"] = opened
            st.rerun()  # of the whole page: its charts are drawn outside of this fragment
        if _changed_much(phases, _phases(entries)):
            st.rerun()  # which starts or ends the polling
        by_id = {entry.id: entry for entry in entries}
        shown, best_id = groups.choose_group(entries, folders.runs)
        ticked = run_table.show_table(shown, chosen_id, best_id)
        if len(ticked) > 1:
            _show_ticked([by_id[each] for each in ticked])
        about.show_last_action()
        _show_head(by_id[chosen_id])


def _changed_much(before: dict[str, str], now: dict[str, str]) -> bool:
    """Whether a run has come, gone, begun or ended."""
    return before.keys() != now.keys() or any(
        (before[each] in LIVE_PHASES) != (now[each] in LIVE_PHASES) for each in now
    )


def _show_ticked(entries: Sequence[Entry]) -> None:
    compared = entries[: len(RUN_COLORS)]
    first = "" if len(compared) == len(entries) else "the first "
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            page_file("results"),
            label=f"Compare {first}{len(compared)} runs",
            icon=":material/compare_arrows:",
            query_params=[("run", entry.id) for entry in compared],
        )
        about.show_archive_button(entries, f"Archive {len(entries)} runs", "archive-ticked")


def _draw_parts(run: RunDir, config: TrainConfig) -> None:
    with shell.errors_shown():
        # Not st.tabs: it would compute all parts at every run, the hidden ones as well.
        part = address.one_of("Part", list(_PARTS), "part", label_visibility="collapsed")
        _PARTS[part](run, config, state(run))


def _show_head(entry: Entry) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(plain(run_name(entry)), anchor=False, width="content")
        state_badge(state_label(entry.state))
        if made := about_run(entry.id, has_name=bool(entry.title)):
            st.caption(plain(capitalised(made)), width="content")
        if entry.state:
            _show_facts(entry.state)
    if entry.notes.note:
        st.caption(plain(entry.notes.note))
    if problem := entry.problem or entry.notes_problem:
        st.error(plain(sentence(problem)), icon=":material/broken_image:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if entry.config and entry.state:
            _show_buttons(entry.run, entry.config, entry.state)
        about.show_notes(entry)
        about.show_archive_button([entry], "Archive", f"archive-{entry.id}")
    if notice := st.session_state.pop(_NOTICE, ""):
        st.error(plain(sentence(notice)), icon=":material/error:")
    if entry.state:
        _show_outcome(entry.state)
        _show_progress(entry.state)


def _show_buttons(run: RunDir, config: TrainConfig, now: JobState) -> None:
    if now.is_live:
        is_queued = now.phase == "queued"
        st.button(
            "Cancel" if is_queued else "Stop",
            icon=":material/stop_circle:",
            disabled=now.phase == "stopping",
            help="Leave the queue."
            if is_queued
            else "Save a checkpoint at the next step and end the training.",
            # A callback: the state is "stopping" when the head is drawn after the click.
            on_click=_stop,
            args=(run,),
        )
    show_resume(run, config, now)
    if st.button(
        "Use these settings",
        icon=":material/content_copy:",
        on_click=_copy_settings,
        args=(config,),
        help="Fill in the form for a new run with the settings of this one.",
    ):
        st.rerun()
    if now.progress.epochs_done:
        st.page_link(
            page_file("results"),
            label="Results",
            icon=":material/monitoring:",
            query_params={"run": run.id},
        )


def _stop(run: RunDir) -> None:
    try:
        stop(run, wait=False)
    except CitysegError as error:
        st.session_state[_NOTICE] = str(error)


def _copy_settings(config: TrainConfig) -> None:
    fill_form(config)
    st.session_state[VIEW] = VIEWS[1]


def _show_progress(now: JobState) -> None:
    at = now.progress
    if now.phase == "starting" and now.stage_total:
        st.progress(now.stage_done / now.stage_total, text=plain(capitalised(now.text)))
    elif now.is_live:
        within = at.step / at.steps if at.steps and at.epochs_done < at.epoch else 0.0
        share = min((at.epochs_done + within) / now.epochs, 1.0)
        st.progress(share, text=plain(capitalised(now.text)))


def _show_facts(now: JobState) -> None:
    at = now.progress
    facts = {
        "Best mean IoU": "" if now.mean_iou is None else percent(now.mean_iou),
        "Best epoch": "" if now.best_epoch is None else str(now.best_epoch),
        "Epochs": f"{at.epochs_done:,} of {now.epochs:,}",
        "Time so far": duration(at.seconds) if at.seconds else "",
        "Time left": _time_left(now),
        "Speed": f"{at.frames_per_second:.3g} frames/s" if at.frames_per_second else "",
    }
    with st.container(horizontal=True, gap="medium", width="content"):  # they wrap together
        for name, value in facts.items():
            if value:
                st.metric(name, value, width="content")


def _time_left(now: JobState) -> str:
    """The time left; "–" while it is unknown, as a figure that went would move those after it."""
    left = now.progress.seconds_left
    if now.phase == "running" and left is not None:
        return duration(left)
    return "–" if now.is_live and now.progress.frames_per_second else ""


def _show_outcome(now: JobState) -> None:
    detail, hint = plain(sentence(now.detail)), plain(sentence(now.hint))
    if now.phase == "failed":
        st.error(
            f"**{plain(failure_reason(now))}.** {detail}  \nWhat to do: {hint}",
            icon=":material/error:",
        )
    elif now.phase == "lost":
        st.warning(f"{detail} {hint}", icon=":material/help:")
    if now.changes:
        st.caption("  \n".join(plain(sentence(change)) for change in now.changes))


def _show_log(run: RunDir, config: TrainConfig, now: JobState) -> None:
    text = utf8("\n".join(tail(run, _LOG_LINES)))
    st.code(text or "No output yet.", language=None, height=420, wrap_lines=True)


def _show_settings(run: RunDir, config: TrainConfig, now: JobState) -> None:
    _show_tracking(run, config)
    defaults = make_config({}).model_dump(mode="json")
    settings = config.model_dump(mode="json")
    table = pd.DataFrame(
        {
            "Value": list(map(_setting_text, settings.values())),
            "Default": [
                "" if value == defaults[name] else _setting_text(defaults[name])
                for name, value in settings.items()
            ],
            "Flag": [plain(f"--{name.replace('_', '-')}") for name in settings],
        },
        index=pd.Index(list(map(label_of, settings)), name="Setting"),
    )
    st.caption("The default is left out where the value is the default.")
    # Not st.dataframe, which cuts a long path.
    st.table(table, border="horizontal", alt="Settings of the run")


def _setting_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value in (None, "") else plain(value)


def _show_tracking(run: RunDir, config: TrainConfig) -> None:
    """Draw the way to the run in Weights & Biases."""
    tracked = find_tracked(run)
    if tracked is None:
        if config.wandb != "off":
            st.caption("Weights & Biases has not started to track this run.")
        return
    if tracked.url and tracked.url.startswith("https://"):
        st.link_button("Open in Weights & Biases", utf8(tracked.url), icon=":material/open_in_new:")
    if tracked.upload:
        st.caption("Tracked offline. To upload it to Weights & Biases, run:")
        st.code(utf8(tracked.upload), language=None, wrap_lines=True)


_PARTS: Final[Mapping[str, Callable[[RunDir, TrainConfig, JobState], None]]] = {
    "Curves": run_charts.show_curves,
    "Classes": run_charts.show_classes,
    "Predictions": run_pictures.show_predictions,
    "Machine": run_charts.show_machine,
    "Log": _show_log,
    "Settings": _show_settings,
}
