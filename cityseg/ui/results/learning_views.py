"""The view *Learning* of the page Results: when a run learned each pixel of its fixed frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.arrays import FloatArray, Uint8Array
from cityseg.errors import RunError
from cityseg.labels import IGNORE
from cityseg.metrics import (
    Learning,
    count_forgotten,
    follow_learning,
    learned_shares,
    pack_right,
)
from cityseg.runs import RunDir
from cityseg.runs.panels import Panel, load_panels, load_predictions, panel_epochs
from cityseg.ui import address, cached, charts
from cityseg.ui.formatting import percent
from cityseg.ui.results.chosen_runs import Comparison, choose_one
from cityseg.ui.text import plain, sentence, utf8
from cityseg.wording import counted


class History(NamedTuple):
    """The fixed frames of a run, and how their pixels were learned.

    `epochs` are the E whose predictions were compared; `problems` says why others were not.
    `panels` are those of the last; `learning` has maps of the F frames below each other. `right` is
    (E, F, B) uint8: the `pack_right` of each epoch and frame, an eighth of the predictions.
    """

    epochs: list[int]
    problems: list[str]
    panels: list[Panel]
    learning: Learning
    right: Uint8Array

    def of_frame(self, position: int, shown: int) -> Learning:
        """The maps of one frame; `forgotten` after the epoch at position `shown`."""
        learned = np.split(self.learning.learned, len(self.panels))[position]
        right = self.right[: shown + 1, position]
        return Learning(learned, count_forgotten(right, self.panels[position].truth))


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
    run, problems = RunDir(path), list[str]()
    panels = _newest_panels(run, epochs, problems)
    if not panels:
        return History([], problems, [], _NOTHING, np.empty((0, 0, 0), np.uint8))
    usable, right, truth = list[int](), list[list[Uint8Array]](), _truth(panels)

    def predictions() -> Iterator[Uint8Array]:  # each is decoded once, and then let go
        for epoch in epochs:
            try:
                parts = load_predictions(run, epoch)
                if {part.shape for part in parts} != {panels[0].truth.shape}:
                    raise RunError(
                        f"The predictions of epoch {epoch} have another size than the truth"
                    )
            except RunError as error:
                problems.append(str(error))
                continue
            usable.append(epoch)
            pairs = zip(parts, panels, strict=True)
            right.append([pack_right(part, panel.truth) for part, panel in pairs])
            yield np.concatenate(parts)

    learning = follow_learning(predictions(), truth)
    return History(usable, problems, panels, learning, np.array(right, np.uint8))


def _newest_panels(run: RunDir, epochs: Sequence[int], problems: list[str]) -> list[Panel]:
    """The panels of the newest epoch that can be read, for their truth; none with `problems`."""
    found: list[str] = []
    for epoch in reversed(epochs):
        try:
            return load_panels(run, epoch)
        except RunError as error:
            found.insert(0, str(error))
    problems += found
    return []


_NOTHING = Learning(np.empty((0, 0), np.int64), np.empty((0, 0), np.int64))


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
    panel, learning = history.panels[position], history.of_frame(position, shown)
    panes = charts.LearningPanes(
        panel.image,
        panel.truth,
        load_predictions(run, epoch)[position],
        epochs,
        shown,
        learning.learned,
        learning.forgotten,
        int(history.learning.forgotten.max(initial=0)),
    )
    height, width = panel.truth.shape
    # As high as the panes need at the width of the window, which only the browser knows.
    st.html(
        "<style>.st-key-learned-panes { width: 100%; min-height: 360px; max-height: 520px; "
        f"aspect-ratio: {charts.PANES_ASPECT * width / height:.3f}; }}</style>"
    )
    with st.container(key="learned-panes"):
        st.plotly_chart(
            charts.learning_panes(panes, dark=st.context.theme.type == "dark"),
            height="stretch",
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
