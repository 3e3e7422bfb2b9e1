"""Views of the page Results that lead to frames: the confusion matrix, best and worst frames."""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.arrays import FloatArray, IntArray
from cityseg.errors import ImageError
from cityseg.evaluation import RunScores, SavedEvaluation
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import (
    Denominator,
    FrameScores,
    class_confusion,
    confused_frames,
    normalise_confusion,
    rank_frames,
)
from cityseg.ui import address, cached, charts
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent, short_percent
from cityseg.ui.glossary import explain
from cityseg.ui.predict.inference import predict
from cityseg.ui.predict.inputs import read_frame
from cityseg.ui.results.chosen_runs import Comparison, choose_one
from cityseg.ui.results.class_pair import PREDICTED, choose_pair, set_pair
from cityseg.ui.routes import frame_picture, publish
from cityseg.ui.shell import errors_shown, page_file
from cityseg.ui.text import plain, utf8
from cityseg.ui.viewer import viewer
from cityseg.wording import counted

_MOST_CONFUSED: Final = 12
_MOST_ERRORS: Final = 10
_FRAMES_PER_PAGE: Final = 10


class _Share(NamedTuple):
    """What a cell of the matrix is a share of, and what the figure calls that."""

    of: Denominator
    words: str


_NORMALISED: Final = {
    "Row": _Share("truth", "the pixels of that class"),
    "Column": _Share("prediction", "the pixels predicted as that class"),
    "All": _Share("all", "all evaluated pixels"),
}


def show_confusion(comparison: Comparison, controls: DeltaGenerator) -> None:
    """The confusion matrix of one run; a click on a cell lists the frames behind it."""
    chosen = _choose_evaluated(comparison, controls)
    if chosen is None:
        return
    _, evaluation = chosen
    with controls:
        normalised = address.one_of(
            "Shares of each",
            list(_NORMALISED),
            "normalised",
            help=f"{explain('Confusion')}\n\nRow: what the pixels of a class were predicted as. "
            "Column: what the pixels that were predicted as a class really are.",
        )
    pixels = class_confusion(evaluation.scores.confusion)
    share = _NORMALISED[normalised]
    part = normalise_confusion(pixels, share.of)
    if not pixels[:, -1].any():
        pixels, part = pixels[:, :-1], part[:, :-1]
    left, right = st.columns([3, 2], gap="medium")
    with right:
        truth, predicted = choose_pair()
    cell = (truth, predicted) if truth is not None and predicted is not None else None
    with left:
        st.plotly_chart(
            charts.confusion_matrix(
                part,
                pixels,
                of=share.words,
                chosen=cell,
                dark=st.context.theme.type == "dark",
            ),
            config=charts.CONFIG,
            key="matrix",
            on_select=_take_click,
            selection_mode="points",
            alt="Confusion matrix: rows are the ground truth, columns the prediction",
        )
        st.caption(
            "Numbers are percentages, from 0.5% on. The colour scale is logarithmic: errors of a "
            "few pixels show as well."
        )
    with right:
        if cell:
            _describe_cell(part, pixels, *cell, share.words)
            _list_confused(evaluation, *cell)
        else:
            st.caption("Click a cell, or choose two classes, to see the frames behind it.")
            _list_errors(part, pixels)


def _choose_evaluated(
    comparison: Comparison, controls: DeltaGenerator
) -> tuple[RunScores, SavedEvaluation] | None:
    """Draw the choice of one evaluated run; None, with an explanation, if there is none."""
    results = comparison.results
    evaluated = {each.run.id: (each, each.evaluation) for each in results if each.evaluation}
    if not evaluated:
        st.info("This view needs an evaluation: start one above.", icon=":material/info:")
        return None
    names = {run_id: each.name for run_id, (each, _) in evaluated.items()}
    return evaluated[choose_one(names, controls)]


def _take_click() -> None:
    points = st.session_state["matrix"]["selection"]["points"]
    if points:
        set_pair(*points[0]["customdata"][:2])


def _describe_cell(part: FloatArray, pixels: IntArray, truth: int, predicted: int, of: str) -> None:
    """What a pointer over the cell would read."""
    if predicted < pixels.shape[1]:  # the last column is left out where it is empty
        share = short_percent(float(part[truth, predicted]))
        st.caption(f"{share} of {of}, {counted(int(pixels[truth, predicted]), 'pixel')}")


def _list_errors(part: FloatArray, pixels: IntArray) -> None:
    """Buttons that choose the cells with the largest shares of errors."""
    errors = np.where(pixels > 0, part, 0.0)
    np.fill_diagonal(errors, 0)
    largest = np.argsort(-errors, axis=None, kind="stable")[:_MOST_ERRORS]
    cells = [divmod(int(position), errors.shape[1]) for position in largest]
    st.markdown("**Largest errors**")
    with st.container(gap=None):
        for truth, predicted in cells:
            if share := float(errors[truth, predicted]):
                st.button(
                    f"{CLASS_NAMES[truth]} → {PREDICTED[predicted]} · {percent(share)}",
                    key=f"error-{truth}-{predicted}",
                    type="tertiary",
                    on_click=set_pair,
                    args=(truth, predicted),
                )


def _list_confused(evaluation: SavedEvaluation, truth: int, predicted: int) -> None:
    frames = confused_frames(evaluation.store, truth, predicted)
    names = CLASS_NAMES[truth], PREDICTED[predicted]
    verb = "predicted right" if truth == predicted else f"predicted as {names[1]}"
    st.markdown(f"**{names[0]}** {verb} in {len(frames)} of {len(evaluation.store.names)} frames")
    st.button(
        "Regions behind it",
        icon=":material/crop_free:",
        key="regions-behind",
        help="Photo, truth and prediction of these regions side by side, the largest first.",
        on_click=st.query_params.update,
        args=({"view": "Regions"},),  # which shows the same pair
    )
    for frame in frames[:_MOST_CONFUSED]:
        with st.container(gap=None):
            _link_to_frame(frame.name, frame.name.rpartition("/")[2])
            share = percent(frame.share)
            st.caption(f"{counted(frame.pixels, 'pixel')}, {share} of the {names[0]} in the frame")


def _link_to_frame(name: str, label: str) -> None:
    st.page_link(
        page_file("browse"),
        label=plain(label),
        icon=":material/photo_library:",
        help="Open the frame in Browse.",
        query_params={"frame": utf8(name)},
    )


_RANKS: Final = ("Mean IoU", "Pixel accuracy", "IoU of a class")


def show_frames(comparison: Comparison, controls: DeltaGenerator) -> None:
    """The best and the worst frames of one run, with its prediction beside the truth."""
    chosen = _choose_evaluated(comparison, controls)
    if chosen is None:
        return
    result, evaluation = chosen
    with controls:
        values = _choose_rank(evaluation.frames)
        first = address.one_of("First", ["Worst", "Best"], "first")
    order = rank_frames(values, worst_first=first == "Worst")
    if not len(order):
        st.info("No frame has this class.", icon=":material/info:")
        return
    names = [utf8(name) for name in evaluation.store.names]
    ranking = {names[index]: float(values[index]) for index in order}
    _look_at(comparison.folders, result, ranking)


def _choose_rank(scores: FrameScores) -> FloatArray:
    """(N,) scores of the frames, which they are ranked by."""
    rank = address.one_of(
        "By",
        _RANKS,
        "by",
        help="The score of each frame on its own, over the classes that are in it.",
    )
    if rank == _RANKS[0]:
        return scores.mean_iou
    if rank == _RANKS[1]:
        return scores.pixel_accuracy
    name = st.selectbox("Class", CLASS_NAMES, key="by_class", bind="query-params", width=200)
    return scores.class_iou[:, CLASS_NAMES.index(name)]


@st.fragment
def _look_at(folders: Folders, result: RunScores, ranking: dict[str, float]) -> None:
    """A page of the ranking, and the prediction for the frame chosen in it.

    A fragment, so that a choice does not draw the whole page again.
    """
    left, right = st.columns([2, 5])
    with left:
        pages = -(-len(ranking) // _FRAMES_PER_PAGE)
        page = st.pagination(pages, key="frames", bind="query-params") if pages > 1 else 1
        names = list(ranking)[(page - 1) * _FRAMES_PER_PAGE : page * _FRAMES_PER_PAGE]
        address.restore_one("looked_at", names)
        chosen = st.radio(
            "Frames",
            names,
            format_func=lambda name: plain(name.rpartition("/")[2]),
            captions=[percent(ranking[name]) for name in names],
            key="looked_at",
            on_change=address.keep,
            args=("looked_at",),
        )
    with right:
        with errors_shown():
            _show_prediction(folders, result, chosen)
        _link_to_frame(chosen, "Open in Browse")


def _show_prediction(folders: Folders, result: RunScores, name: str) -> None:
    frames = cached.frames(folders.data, folders.masks)
    by_name = {utf8(frame.name): frame for frame in frames}
    frame = by_name.get(name)
    if frame is None or frame.image is None:
        raise ImageError(
            f"{folders.data} has no picture of {name}: choose the dataset that was evaluated"
        )
    photo = read_frame(frame, frame.image)
    pixel_aspect = cached.pixel_aspect(folders.data, folders.masks)
    predicted = predict(result.run.best, photo.content, photo.decode, pixel_aspect=pixel_aspect)
    picture = replace(
        frame_picture(folders, frame),
        prediction=publish(predicted.train_ids_png, "image/png"),
        confidence=publish(predicted.confidence_png, "image/png"),
        note=f"Predicted by {result.name}",
    )
    viewer(
        [picture],
        key="prediction",
        layer="prediction",
        beside="truth",
        pixel_aspect=pixel_aspect,
    )
