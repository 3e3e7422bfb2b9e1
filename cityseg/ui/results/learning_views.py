"""The view *Learning* of the page Results: when a run learned each pixel of its fixed frames."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.arrays import FloatArray, Uint8Array
from cityseg.errors import RunError
from cityseg.labels import IGNORE
from cityseg.metrics import Learning, follow_learning, learned_shares
from cityseg.runs import RunDir
from cityseg.runs.panels import Panel, load_panels, load_predictions, panel_epochs
from cityseg.ui import address, cached, charts
from cityseg.ui.formatting import counted, percent
from cityseg.ui.results.chosen_runs import Comparison, choose_one
from cityseg.ui.text import plain, sentence, utf8


class History(NamedTuple):
    """The fixed frames of a run, and how their pixels were learned.

    `epochs` are those whose predictions were compared; `problems` says why others were not.
    `panels` are those of the last; `learning` has maps of the frames below each other.
    """

    epochs: list[int]
    problems: list[str]
    panels: list[Panel]
    learning: Learning

    def of_frame(self, position: int) -> Learning:
        """The maps of one frame."""
        maps = (np.split(each, len(self.panels))[position] for each in self.learning)
        return Learning(*maps)


def show_learning(comparison: Comparison, controls: DeltaGenerator) -> None:
    """When each pixel of some frames was learned for good, and how often it was forgotten."""
    run = _choose_run(comparison, controls)
    if run is None:
        return
    history = learning_history(run)
    for problem in history.problems:
        st.warning(plain(sentence(problem)), icon=":material/warning:")
    if not history.epochs:
        return
    frames = [utf8(panel.name) for panel in history.panels]
    with controls:
        frame = address.select(
            "Frame", frames, "panel", lambda name: name.rpartition("/")[2], width=300
        )
    _show_frame(run, history, frames.index(frame))
    _show_curves(history)


def _choose_run(comparison: Comparison, controls: DeltaGenerator) -> RunDir | None:
    by_id = {each.run.id: each for each in comparison.runs if panel_epochs(each.run)}
    if not by_id:
        st.info(
            "This view needs the predictions that a training keeps after each epoch for a few "
            "validation frames: choose a run that was trained here.",
            icon=":material/info:",
        )
        return None
    return by_id[choose_one({key: each.name for key, each in by_id.items()}, controls)].run


def learning_history(run: RunDir) -> History:
    """How the frames of the panels were learned; epochs that cannot be read are left out."""
    epochs = panel_epochs(run)
    files = [run.panels_index, *map(run.panels_of_epoch, epochs)]
    return _learning_history(run.path, tuple(epochs), cached.stamp(*files))


@st.cache_resource(max_entries=4, show_spinner="Reading the predictions of all epochs …")
def _learning_history(path: Path, epochs: tuple[int, ...], files: cached.Stamps) -> History:
    run, panels, problems = RunDir(path), list[Panel](), list[str]()
    usable = list[int]()
    for epoch in reversed(epochs):  # the truth comes with the newest that can be read
        try:
            panels = panels or load_panels(run, epoch)
            if _stacked(run, epoch).shape != _truth(panels).shape:
                raise RunError(f"The predictions of epoch {epoch} have another size than the truth")
            usable.insert(0, epoch)
        except RunError as error:
            problems.insert(0, str(error))
    predictions = (_stacked(run, epoch) for epoch in usable)
    learning = follow_learning(predictions, _truth(panels)) if panels else _NOTHING
    return History(usable, problems, panels, learning)


_NOTHING = Learning(np.empty((0, 0), np.int64), np.empty((0, 0), np.int64))


def _stacked(run: RunDir, epoch: int) -> Uint8Array:
    return np.concatenate(load_predictions(run, epoch))


def _truth(panels: list[Panel]) -> Uint8Array:
    return np.concatenate([panel.truth for panel in panels])


@st.fragment
def _show_frame(run: RunDir, history: History, position: int) -> None:
    """The panes of a frame after a chosen epoch; a fragment, so that a choice draws only these."""
    epochs = history.epochs
    key = f"learned-by-{run.id}"
    if st.session_state.get(key) not in epochs:
        st.session_state[key] = epochs[-1]
    epoch = st.select_slider("After epoch", epochs, key=key) if len(epochs) > 1 else epochs[0]
    shown = epochs.index(epoch)
    panel, learning = history.panels[position], history.of_frame(position)
    so_far = [load_predictions(run, each)[position] for each in epochs[: shown + 1]]
    panes = charts.LearningPanes(
        panel.image,
        panel.truth,
        so_far[-1],
        epochs,
        shown,
        learning.learned,
        follow_learning(so_far, panel.truth).forgotten,
        int(history.learning.forgotten.max(initial=0)),
    )
    st.plotly_chart(
        charts.learning_panes(panes, dark=st.context.theme.type == "dark"),
        config=charts.CONFIG,
        key="learned",
        alt=f"Photo, truth, prediction after epoch {epoch}, and when each pixel was learned",
    )
    st.caption(describe_frame(panes))
    st.caption(
        f"Compared are the predictions of {counted(len(epochs), 'epoch')}: {ranges_text(epochs)}. "
        "A pixel is learned for good at the first of them from which on all are right; it was "
        "forgotten as often as a right prediction is followed by a wrong one. What was predicted "
        "between them is not kept. Ignored pixels are transparent. Drag over a pane to zoom in all "
        "of them, and double-click to zoom out."
    )


def describe_frame(panes: charts.LearningPanes) -> str:
    """In a sentence: how much of the frame is right, learned for good, and forgotten."""
    valid = panes.truth != IGNORE
    if not valid.any():
        return "The truth of this frame ignores all pixels."
    learned, forgotten = panes.learned[valid], panes.forgotten[valid]
    epoch = panes.epochs[panes.shown]
    shares = {
        "right": (panes.prediction == panes.truth)[valid].mean(),
        "learned for good": (learned <= panes.shown).mean(),
        "forgotten at least once": (forgotten > 0).mean(),
    }
    texts = ", ".join(f"{percent(share)} {name}" for name, share in shares.items())
    never = percent((learned == len(panes.epochs)).mean())
    return f"After epoch {epoch}, of the labelled pixels: {texts}. {never} are never learned."


def ranges_text(numbers: list[int]) -> str:
    """Increasing numbers as text, neighbours as a range: "1–4, 6, 8–9"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(f"{each[0]}–{each[-1]}" if each[1:] else f"{each[0]}" for each in ranges)


def _show_curves(history: History) -> None:
    shares, together = class_curves(history)
    st.plotly_chart(
        charts.learning_curves(history.epochs, shares, together),
        config=charts.CONFIG,
        key="learned-shares",
        alt="The share of each class that is learned for good, by epoch",
    )
    frames = counted(len(history.panels), "frame")
    st.caption(
        f"The share of the pixels of each class in all {frames} of this view that are learned for "
        "good by an epoch. Click a class to hide it, and double-click to show it alone."
    )


def class_curves(history: History) -> tuple[FloatArray, FloatArray]:
    """The (E, 19) shares of each class, and the (E,) of all together, that are learned by then."""
    truth, learned = _truth(history.panels), history.learning.learned
    one_class = np.where(truth == IGNORE, truth, 0).astype(np.uint8)
    count = len(history.epochs)
    return learned_shares(learned, truth, count), learned_shares(learned, one_class, count)[:, 0]
