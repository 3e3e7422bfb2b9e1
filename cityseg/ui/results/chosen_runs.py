"""The runs that the page Results compares, and the scores that there are of them."""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.errors import CheckpointError, CitysegError
from cityseg.evaluation import RunScores, run_scores
from cityseg.jobs import list_runs
from cityseg.runs import BOX, BOX_TITLE, BoxRun, RunDir
from cityseg.ui import address, cached
from cityseg.ui.charts import RUN_COLORS
from cityseg.ui.folders import Folders
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain, sentence, utf8

#: As many as there are colours for.
_MOST_RUNS: Final = len(RUN_COLORS)
#: Those with annotations; training is validated on the first.
_SPLITS: Final = ("val", "train")
_MOST_NAMED: Final = 3


class ChosenRun(NamedTuple):
    """A run, its result on the chosen split if there is one, and why its scores cannot be read."""

    run: RunDir
    name: str
    result: RunScores | None
    problem: str

    @property
    def needs_evaluation(self) -> bool:
        """Whether the scores are missing, damaged, or of older weights than the best."""
        return self.result is None or self.result.evaluation is None or self.result.is_stale


class Comparison(NamedTuple):
    """The chosen runs, in the order of choice, and the split that they are compared on."""

    folders: Folders
    split: str
    runs: Sequence[ChosenRun]

    @property
    def results(self) -> list[RunScores]:
        """The results of those runs that have one."""
        return [each.result for each in self.runs if each.result]


def choose_runs(folders: Folders) -> Comparison | None:
    """Draw the choice of runs and split; None, with an explanation, if there is nothing to show.

    Raises RunError if the folder of runs cannot be listed.
    """
    head = st.container(horizontal=True, vertical_alignment="bottom")
    head.title("Results", width="content")
    entries = list_runs(folders.runs)
    unreadable = [entry.id for entry in entries if entry.problem]
    _name_unreadable(unreadable)
    usable = [entry for entry in entries if entry.config]
    names = distinct_names(usable)
    folder_of: dict[str, RunDir] = {entry.id: entry.run for entry in usable}
    with suppress(CheckpointError):  # no network ships
        # A run's folder may have its name, and is the one that is meant then.
        folder_of = {BOX: BoxRun.below(folders.runs)} | folder_of
        names = {BOX: BOX_TITLE} | names
    if not names:
        st.info(f"There are no runs in {plain(folders.runs)} yet.", icon=":material/info:")
        st.page_link(page_file("train"), label="Train a network", icon=":material/model_training:")
        return None
    scored = (e.id for e in usable if e.state and e.state.mean_iou is not None)
    _tell_left_out({*names}, {*unreadable})
    with head:
        chosen = _choose(names, default=next(scored, usable[0].id if usable else BOX))
        split = address.one_of(
            "Scores on",
            _SPLITS,
            "scores_on",
            help="Val: frames that training has not seen. Train: frames that it learned from.",
        )
    if not chosen:
        st.info("Choose a run, or several to compare them.", icon=":material/info:")
        return None
    runs = [_look_up(folder_of[run_id], names[run_id], split) for run_id in chosen]
    for run in runs:
        if run.problem:
            st.error(plain(sentence(run.problem)), icon=":material/error:")
    return Comparison(folders, split, runs)


def _name_unreadable(run_ids: Sequence[str]) -> None:
    if run_ids:
        names = ", ".join(plain(each) for each in run_ids[:_MOST_NAMED])
        more = f" and {len(run_ids) - _MOST_NAMED} more" if len(run_ids) > _MOST_NAMED else ""
        st.caption(f"Unreadable, and not among the runs: {names}{more}. The page Train says why.")


def _tell_left_out(known: Set[str], unreadable: Set[str]) -> None:
    """Say which runs in the address are not chosen."""
    asked = {each for each in st.query_params.get_all("run") if each}
    for run_id in sorted(asked - known - unreadable)[:_MOST_NAMED]:
        address.say_missing(f"run {plain(run_id)}")
    if len(asked & known) > _MOST_RUNS:
        st.warning(
            f"At most {_MOST_RUNS} runs are compared: these are the first.",
            icon=":material/warning:",
        )


def _choose(names: Mapping[str, str], default: str) -> list[str]:
    address.restore("run", names, default=[default], most=_MOST_RUNS)
    return st.multiselect(
        "Runs",
        list(names),
        format_func=names.__getitem__,
        key="run",
        max_selections=_MOST_RUNS,
        select_all=False,
        on_change=address.keep,
        args=("run",),
    )


def _look_up(run: RunDir, name: str, split: str) -> ChosenRun:
    problem, evaluation, result = "", None, None
    try:
        evaluation = cached.evaluation(run, split)
    except CitysegError as error:
        problem = str(error)
    try:
        result = run_scores(run, name, cached.epochs(run), evaluation)
    except CitysegError as error:  # the other runs are compared without it
        problem = problem or str(error)
    if evaluation is None and split != _SPLITS[0]:  # training is not validated on this split
        result = None
    return ChosenRun(run, name, result, problem)


def choose_one(names: Mapping[str, str], controls: DeltaGenerator) -> str:
    """Draw the choice of one run, for a view of a single one; `names` by id. Returns the id."""
    ids = list(names)
    if len(ids) == 1:
        address.restore_one("of", ids)
        return ids[0]
    with controls:
        return address.select("Run", ids, "of", lambda run_id: utf8(names[run_id]), width=260)


def network_and_out(run: RunDir, out: Path) -> tuple[object, ...]:
    """How a command names `run`; its results go to its own folder, those of the box to `out`."""
    return (run.id, "--out", out) if isinstance(run, BoxRun) else (run.path,)
