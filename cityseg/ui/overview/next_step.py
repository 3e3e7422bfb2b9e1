"""The one thing to do next, worked out from the frames and the runs that exist."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from cityseg.data import Catalogue
from cityseg.jobs import Entry
from cityseg.runs import RunDir
from cityseg.ui.run_labels import run_name
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain, sentence
from cityseg.wording import counted


class Step(NamedTuple):
    """What to do next: a sentence (Markdown), the button's label, and the page it leads to."""

    sentence: str
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
        text = f"{plain(run_name(live[0]))}: {plain(sentence(live[0].state.text))}"
        return Step(text, "Watch the training", "train", live[0].id)
    if not done and entries:
        text = f"{plain(run_name(entries[0]))} has not finished: see why, and resume it."
        return Step(text, "Check the last run", "train", entries[0].id)
    if not done:
        ready = int(catalogue.converted.sum())
        have = "has" if ready == 1 else "have"
        text = f"{counted(ready, 'frame')} {have} a mask: a network can learn from them."
        return Step(text, "Train a network", "train")
    scored = next((each for each in done if _is_evaluated(each.run)), None)
    if scored is None:
        name = plain(run_name(done[0]))
        text = f"{name} is trained: score it at full resolution, class by class."
        return Step(text, "See how good it is", "results")
    return Step(
        f"{plain(run_name(scored))} is trained and scored: give it a picture of your own.",
        "Try it on a picture",
        "predict",
        scored.id,
    )


def _convert(new: int) -> Step:
    if not new:
        text = "No frame has a mask, so there is nothing to train on."
        return Step(text, "See why every frame was skipped", "masks")
    waits = "waits" if new == 1 else "wait"
    text = f"{counted(new, 'frame')} {waits} for a mask, which takes a few milliseconds each."
    return Step(text, "Make the masks", "masks")


def _is_evaluated(run: RunDir) -> bool:
    return any(run.path.glob("scores-*.json"))


def show_next_step(step: Step) -> None:
    """Draw the step's sentence, with a button that leads to its page, in a row."""
    st.markdown(step.sentence, width="content")
    if st.button(step.button, type="primary", key="next", icon=":material/arrow_forward:"):
        chosen = "network" if step.page == "predict" else "run"
        st.switch_page(page_file(step.page), query_params={chosen: step.run} if step.run else {})
