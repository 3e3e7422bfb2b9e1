"""The evaluations of the chosen runs: what their scores rest on, and buttons that evaluate them."""

from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import streamlit as st

from cityseg.evaluation import ReviewScores, RunScores, SavedEvaluation, replaced_dataset
from cityseg.jobs import Task
from cityseg.review import ledger_file
from cityseg.runs import BoxRun
from cityseg.ui import progress
from cityseg.ui.formatting import percent, short_percent
from cityseg.ui.results.chosen_runs import ChosenRun, Comparison, network_and_out
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import plain
from cityseg.wording import counted


def needs_attention(comparison: Comparison) -> bool:
    """Whether a run is to be evaluated, or is being evaluated."""
    return any(each.needs_evaluation for each in comparison.runs) or any(
        task.state().is_live for task in _tasks(comparison)
    )


def _tasks(comparison: Comparison) -> list[Task]:
    runs, split = comparison.folders.runs, comparison.split
    return [Task.of(runs, "evaluate", each.run.id, split) for each in comparison.runs]


def show(comparison: Comparison) -> None:
    """Draw what the scores of each run rest on, and a button that evaluates it."""
    runs, split = comparison.runs, comparison.split
    tasks = _tasks(comparison)
    missing = sum(each.needs_evaluation for each in runs)
    label = f"Evaluation on {split}"
    if missing:
        label += f": {missing} of {counted(len(runs), 'run')} to do"
    is_open = missing == len(runs) or any(task.state().is_live for task in tasks)
    with st.expander(label, expanded=is_open, icon=":material/fact_check:"):
        for each, task in zip(runs, tasks, strict=True):
            left, right = st.columns([5, 1], vertical_alignment="center")
            left.markdown(f"**{plain(each.name)}** · {_describe(each, split)}")
            with right:
                _show_button(comparison, each, task)
            progress.show(task, key=f"evaluate-{each.run.id}-{split}", partly="")


def _show_button(comparison: Comparison, chosen: ChosenRun, task: Task) -> None:
    """Draw the button; where it replaces scores of another dataset, behind a sentence on that."""
    data, split = comparison.folders.data, comparison.split
    label = "Evaluate" if chosen.needs_evaluation else "Again"
    kind: Literal["primary", "secondary"] = "primary" if chosen.needs_evaluation else "secondary"
    is_disabled = task.state().is_live or not chosen.run.best.is_file()
    about = (
        f"Predict the {split} frames of {plain(data)} with the best weights and score them at the "
        "size of their annotations."
    )
    other = replaced_dataset(chosen.run.scores_file(split), data, chosen.run.config().data)
    with st.popover(label, type=kind, disabled=is_disabled) if other else nullcontext():
        if other:
            st.markdown(
                f"The scores on {plain(other)} will be replaced by scores on {plain(data)}. "
                "To keep both, run `evaluate` with `--out`, or choose the first dataset."
            )
        pressed = st.button(
            "Replace the scores" if other else label,
            key=f"start-{chosen.run.id}-{split}",
            type=kind,
            disabled=is_disabled,
            help=about,
            width="stretch",
        )
    if pressed:
        with errors_shown():
            named = network_and_out(chosen.run, chosen.run.scores_file(split))
            ledger = ledger_file(data, comparison.folders.runs)
            review = ("--review", ledger) if ledger.is_file() else ()
            task.start(*named, "--data", data, "--split", split, *review)


def _describe(chosen: ChosenRun, split: str) -> str:
    """In Markdown: what the scores of a run rest on."""
    result = chosen.result
    if result and result.evaluation:
        return _describe_evaluation(result, result.evaluation)
    missing = f"Not evaluated on {split} yet."
    if not chosen.run.best.is_file():
        return f"{missing} Wait for the end of its first epoch."
    if result is None:
        return missing
    return (
        f"{missing} These are the scores of the validation in training, after epoch "
        f"{result.epoch}, on {plain(result.validated_on)}: good for watching a training, but not "
        "the official scores."
    )


def _describe_review(result: RunScores, review: ReviewScores) -> list[str]:
    """What the review changes, and what of it was not used: sentences without a stop."""
    sentences = []
    if review.regions:
        regions = f"{counted(review.regions, 'region')} of {counted(review.frames, 'frame')}"
        sentences.append(
            f"Without {regions} whose labels are wrong by the review: mean IoU "
            f"{percent(review.mean_iou)} instead of {percent(result.mean_iou)}"
        )
        if review.share_of_labels is not None:
            share = short_percent(review.share_of_labels)
            sentences.append(f"{share} of the wrong pixels lie there, where the labels are wrong")
    if review.stale:
        verdicts = counted(review.stale, "verdict")
        sentences.append(f"Not used: {verdicts} on annotations that have changed since")
    return sentences


def _describe_evaluation(result: RunScores, evaluation: SavedEvaluation) -> str:
    frames = counted(len(evaluation.store.names), f"{evaluation.split} frame")
    parts = [f"Epoch {evaluation.epoch} on {frames}"]
    if isinstance(result.run, BoxRun):
        parts[0] += f" of {plain(evaluation.data)}"
    elif evaluation.data and Path(evaluation.data) != result.run.config().data:
        parts[0] += f" of {plain(evaluation.data)}, another dataset than that of the run"
    if evaluation.sliding:
        parts.append("sliding windows")
    if evaluation.flip:
        parts.append("averaged with the mirrored picture")
    sentences = [", ".join(parts)]
    if result.is_stale:
        sentences.append(f"Epoch {result.best_epoch} is better: evaluate again")
    if evaluation.review:
        sentences += _describe_review(result, evaluation.review)
    if skipped := evaluation.skipped:
        sentences.append(f"{len(skipped)} skipped, the first: {plain(skipped[0])}")
    return f"{'. '.join(sentences)}."
