"""The evidence of the chosen runs as files: what there is, and buttons that collect it."""

from typing import Final

import streamlit as st

from cityseg.jobs import Task
from cityseg.ui import progress
from cityseg.ui.results.chosen_runs import ChosenRun, Comparison, network_and_out
from cityseg.ui.results.evidence_runs import Found, find
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import plain
from cityseg.wording import counted

_ABOUT: Final = (
    "Predict the {split} frames of {data} once more with the best weights, and keep for each frame "
    "where its errors are, how sure the network was, and pictures of both: about 0.2 MB for a "
    "frame."
)


def needs_attention(comparison: Comparison) -> bool:
    """Whether the evidence of a run is to be collected, or is being collected."""
    return any(
        _is_missing(_find(comparison, each)) or _task(comparison, each).state().is_live
        for each in comparison.runs
    )


def _task(comparison: Comparison, chosen: ChosenRun) -> Task:
    return Task.of(comparison.folders.runs, "evidence", chosen.run.id, comparison.split)


def _find(comparison: Comparison, chosen: ChosenRun) -> Found | None:
    return find(chosen, comparison.folders.data, comparison.split)


def _is_missing(found: Found | None) -> bool:
    return not (found and found.is_current and found.is_of_dataset and found.about.is_done)


def show(comparison: Comparison) -> None:
    """Draw what evidence there is of each run, and a button that collects it."""
    found = [_find(comparison, each) for each in comparison.runs]
    tasks = [_task(comparison, each) for each in comparison.runs]
    missing = sum(map(_is_missing, found))
    label = f"Evidence on {comparison.split}"
    if missing:
        label += f": {missing} of {counted(len(found), 'run')} to do"
    is_open = any(task.state().is_live for task in tasks)
    with st.expander(label, expanded=is_open, icon=":material/biotech:"):
        for each, own, task in zip(comparison.runs, found, tasks, strict=True):
            # Not columns: a narrow one would cut the button.
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{plain(each.name)}** · {_describe(comparison, each, own)}")
                _show_button(comparison, each, own, task)
            progress.show(task, key=f"evidence-{each.run.id}-{comparison.split}", partly="")


def _show_button(
    comparison: Comparison, chosen: ChosenRun, found: Found | None, task: Task
) -> None:
    data, split = comparison.folders.data, comparison.split
    is_missing = _is_missing(found)
    pressed = st.button(
        "Collect evidence" if is_missing else "Collect again",
        key=f"collect-{chosen.run.id}-{split}",
        type="primary" if is_missing else "secondary",
        disabled=task.state().is_live or not chosen.run.best.is_file(),
        help=_ABOUT.format(split=split, data=plain(data)),
    )
    if pressed:
        with errors_shown():
            named = network_and_out(chosen.run, chosen.run.evidence)
            task.start(*named, "--data", data, "--split", split)


def _describe(comparison: Comparison, chosen: ChosenRun, found: Found | None) -> str:
    """In Markdown: what the evidence of a run rests on."""
    if not chosen.run.best.is_file():
        return "No evidence yet. Wait for the end of its first epoch."
    if found is None:
        return f"No evidence on {comparison.split} yet."
    about = found.about
    parts = [f"Epoch {about.epoch} on {counted(about.frames, f'{about.split} frame')}"]
    if not found.is_of_dataset:
        parts[0] += f" of {plain(about.data)}, another dataset than the one that is open"
    if about.sliding:
        parts.append("sliding windows")
    if about.flip:
        parts.append("averaged with the mirrored picture")
    if about.size_hw:
        parts.append(f"at {about.size_hw[1]}×{about.size_hw[0]}")
    sentences = [", ".join(parts)]
    if not about.is_done:
        sentences.append("It was interrupted: collect it to continue where it ended")
    elif not found.is_current:
        sentences.append("The weights have changed since: collect it again")
    return f"{'. '.join(sentences)}."
