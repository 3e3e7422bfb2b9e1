"""The one thing to do next, worked out from the frames and the runs that exist."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from cityseg.data import Catalogue
from cityseg.jobs import Entry
from cityseg.runs import RunDir
from cityseg.ui.formatting import counted
from cityseg.ui.run_labels import run_name
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain, sentence


class Step(NamedTuple):
    """What to do next, why (Markdown), and the page where it is done."""

    title: str
    why: str
    button: str
    page: str
    run: str | None = None


def next_step(catalogue: Catalogue, entries: Sequence[Entry]) -> Step:
    """The step that follows from the frames of `catalogue` and the runs, the newest first."""
    if not catalogue.converted.any():
        return _convert(int(catalogue.unseen.sum()))
    live = [each for each in entries if each.state and each.state.is_live]
    done = [each for each in entries if each.state and each.state.phase == "done"]
    if live and live[0].state:
        why = f"{plain(run_name(live[0]))}: {plain(sentence(live[0].state.text))}"
        return Step("Watch the training", why, "Go to Train", "train", live[0].id)
    if not done and entries:
        why = f"{plain(run_name(entries[0]))} has not finished. See why, and resume it."
        return Step("Check the last run", why, "Go to Train", "train", entries[0].id)
    if not done:
        ready = counted(int(catalogue.converted.sum()), "frame")
        why = f"{ready} with a mask: choose a preset and start."
        return Step("Train a network", why, "Go to Train", "train")
    if not any(_is_evaluated(each.run) for each in done):
        why = f"{plain(run_name(done[0]))} is done. Score it at full resolution, class by class."
        return Step("See how good it is", why, "Go to Results", "results")
    why = f"{plain(run_name(done[0]))} is trained and scored. Give it a picture of your own."
    return Step("Try it on a picture", why, "Go to Predict", "predict")


def _convert(new: int) -> Step:
    if not new:
        why = "No frame has a mask, so there is nothing to train on."
        return Step("See why every frame was skipped", why, "Go to Masks", "masks")
    why = f"{counted(new, 'frame')} to convert, which takes a few milliseconds each."
    return Step("Make the masks", why, "Go to Masks", "masks")


def _is_evaluated(run: RunDir) -> bool:
    return any(run.path.glob("scores-*.json"))


def show_next_step(step: Step) -> None:
    """Draw the step, with a button that leads to its page."""
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f"**Next: {step.title}**  \n{step.why}")
        if right.button(step.button, type="primary", key="next", width="stretch"):
            st.switch_page(page_file(step.page), query_params={"run": step.run} if step.run else {})
