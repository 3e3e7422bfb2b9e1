"""The page Results: which runs, what their scores rest on, and the evaluation of more."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from cityseg.errors import CitysegError
from cityseg.evaluation import RunScores, SavedEvaluation, comparison_caveats, run_scores
from cityseg.jobs import Task, list_runs
from cityseg.runs import RunDir
from cityseg.ui import address, cached, progress
from cityseg.ui.charts.scores import RUN_COLORS
from cityseg.ui.shell import Folders, errors_shown, page_file
from cityseg.ui.text import plain

#: As many as there are colours for.
_MOST_RUNS: Final = len(RUN_COLORS)
#: Those with annotations; training is validated on the first.
_SPLITS: Final = ("val", "train")


class Shown(NamedTuple):
    """What a person chose to look at; results are in the order of choice."""

    folders: Folders
    split: str
    results: list[RunScores]


def choose(folders: Folders) -> Shown | None:
    """Let a person choose runs and a split; None where there is nothing to show, which is said."""
    entries = list_runs(folders.runs)
    for entry in entries:
        if entry.problem:
            st.warning(f"{plain(entry.id)}: {plain(entry.problem)}", icon=":material/warning:")
    titles = told_apart({e.id: e.config.title or e.id for e in entries if e.config})
    if not titles:
        st.info(f"There are no runs in {plain(folders.runs)} yet.", icon=":material/info:")
        st.page_link(page_file("train"), label="Train a network", icon=":material/model_training:")
        return None
    scored = (e.id for e in entries if e.state and e.state.mean_iou is not None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = _choose_runs(titles, default=next(scored, next(iter(titles))))
        split = address.one_of(
            "Scores on",
            _SPLITS,
            "scores_on",
            help="val: frames that no training has seen. train: frames that it learnt from.",
        )
    if not chosen:
        st.info("Choose a run, or several to compare them.", icon=":material/info:")
        return None
    runs = {entry.id: entry.run for entry in entries}
    found = [_look_up(runs[run_id], titles[run_id], split) for run_id in chosen]
    shown = Shown(folders, split, [each.result for each in found if each.result])
    _show_overview(shown, found)
    _show_evaluations(shown, found)
    return shown


def _choose_runs(titles: Mapping[str, str], default: str) -> list[str]:
    address.restore("run", titles, default=[default])
    return st.multiselect(
        "Runs",
        list(titles),
        format_func=titles.__getitem__,
        key="run",
        max_selections=_MOST_RUNS,
        select_all=False,
        on_change=address.keep,
        args=("run",),
    )


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Titles by run id, with the end of the id behind those that several runs have."""
    count = Counter(titles.values())
    return {
        run_id: title if count[title] == 1 else f"{title} ({run_id[-8:]})"
        for run_id, title in titles.items()
    }


class _Found(NamedTuple):
    """A chosen run: its result on the split, if it has one, and what is wrong with it."""

    run: RunDir
    name: str
    result: RunScores | None
    problem: str


def _look_up(run: RunDir, name: str, split: str) -> _Found:
    problem, evaluation = "", None
    try:
        evaluation = cached.evaluation(run, split)
    except CitysegError as error:
        problem = str(error)
    result = run_scores(run, name, cached.epochs(run), evaluation)
    if evaluation is None and split != _SPLITS[0]:
        result = None
    return _Found(run, name, result, problem)


def _show_overview(shown: Shown, found: Sequence[_Found]) -> None:
    for each in found:
        if each.problem:
            st.error(plain(each.problem), icon=":material/error:")
    if not shown.results:
        return
    st.dataframe(
        [_overview_row(result) for result in shown.results],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="percent", help=about)
            for name, about in _MEASURES.items()
        },
        placeholder="–",
        alt="the mean scores of each run",
    )
    for sentence in comparison_caveats(shown.results):
        st.warning(plain(sentence), icon=":material/balance:")


_MEASURES: Final = {
    "mean IoU": "mean over the classes of their intersection over union",
    "pixel accuracy": "share of the evaluated pixels that are right",
    "categories": "mean IoU of the 7 categories, such as vehicle",
    "iIoU": "mean IoU of the classes with instances, small ones counting as much as large ones",
}


def _overview_row(result: RunScores) -> dict[str, Any]:
    official = result.evaluation
    values = result.to_json()
    means = ("mean_iou", "pixel_accuracy", "mean_category_iou", "mean_instance_iou")
    return {
        "run": result.name,
        "scores of": f"evaluation on {official.split}" if official else "validation in training",
        "epoch": result.epoch,
        "frames": len(official.store.names) if official else None,
        **{measure: values[mean] for measure, mean in zip(_MEASURES, means, strict=True)},
    }


def _show_evaluations(shown: Shown, found: Sequence[_Found]) -> None:
    """What each run's scores rest on, and a button that evaluates it."""
    tasks = [Task.of(shown.folders.runs, "evaluate", each.run.id, shown.split) for each in found]
    wanting = sum(map(_is_wanting, found))
    label = f"Evaluation on {shown.split}"
    if wanting:
        label += f": {wanting} of {len(found)} runs to do"
    opened = wanting == len(found) or any(task.state().lives for task in tasks)
    with st.expander(label, expanded=opened, icon=":material/fact_check:"):
        for each, task in zip(found, tasks, strict=True):
            left, right = st.columns([5, 1], vertical_alignment="center")
            left.markdown(f"**{plain(each.name)}** · {_standing(each, shown.split)}")
            with right:
                _offer_evaluation(shown, each, task)
            progress.show(task, key=f"evaluate-{each.run.id}-{shown.split}", partly="")


def _offer_evaluation(shown: Shown, found: _Found, task: Task) -> None:
    wanting = _is_wanting(found)
    pressed = st.button(
        "Evaluate" if wanting else "Again",
        key=f"start-{found.run.id}-{shown.split}",
        type="primary" if wanting else "secondary",
        disabled=task.state().lives or not found.run.best.is_file(),
        help=f"Predict the {shown.split} frames of {plain(shown.folders.data)} with the best "
        "weights and score them at the size of their annotations.",
        width="stretch",
    )
    if pressed:
        with errors_shown():
            task.start(found.run.path, "--data", shown.folders.data, "--split", shown.split)


def _is_wanting(found: _Found) -> bool:
    """Whether a run's scores are missing, damaged or of older weights than its best."""
    result = found.result
    return result is None or result.evaluation is None or result.is_stale


def _standing(found: _Found, split: str) -> str:
    """In Markdown: what the scores of a run rest on."""
    result = found.result
    if result is None or result.evaluation is None:
        lacks = f"not evaluated on {split} yet."
        if not found.run.best.is_file():
            return f"{lacks} Its first epoch must end before."
        if result is None:
            return lacks
        return (
            f"{lacks} Shown is the validation in training of epoch {result.epoch}, on "
            f"{plain(result.validated_on)}: good to watch, not the official score."
        )
    return _evaluated(result, result.evaluation)


def _evaluated(result: RunScores, evaluation: SavedEvaluation) -> str:
    ways = [
        way
        for way, on in (("sliding windows", evaluation.sliding), ("mirrored", evaluation.flip))
        if on
    ]
    told = f"epoch {evaluation.epoch} on {len(evaluation.store.names)} {evaluation.split} frames"
    if ways:
        told += f", {' and '.join(ways)}"
    if result.is_stale:
        told += f". Epoch {result.best_epoch} is better since"
    if skipped := evaluation.skipped:
        told += f". {len(skipped)} skipped, first {plain(skipped[0])}"
    return f"{told}."
