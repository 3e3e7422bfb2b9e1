"""Views of the page Results that lead to frames: the confusion matrix, best and worst frames."""

from dataclasses import replace
from typing import Final, NamedTuple

import streamlit as st

from cityseg.arrays import FloatArray
from cityseg.data import decode_frame
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
from cityseg.ui import address, cached, text
from cityseg.ui.charts.confusion import IGNORED, confusion_matrix
from cityseg.ui.charts.scores import CONFIG
from cityseg.ui.predict.inference import predict
from cityseg.ui.results.choice import Shown
from cityseg.ui.routes import frame_picture, in_address, publish
from cityseg.ui.shell import Folders, errors_shown, page_file
from cityseg.ui.text import plain
from cityseg.ui.viewer.component import viewer

_PREDICTED: Final = (*CLASS_NAMES, IGNORED)
_MOST_CONFUSED: Final = 12
_FRAMES_AT_ONCE: Final = 10


class _Share(NamedTuple):
    """How a matrix is normalised, and what a cell is then a share of."""

    of: Denominator
    words: str


_NORMALISED: Final = {
    "row": _Share("truth", "the pixels of that class"),
    "column": _Share("prediction", "the pixels predicted so"),
    "all": _Share("all", "all evaluated pixels"),
}


def show_confusion(shown: Shown) -> None:
    """The confusion matrix of one run; a click on a cell lists the frames behind it."""
    chosen = _choose_evaluated(shown)
    if chosen is None:
        return
    _, evaluation = chosen
    way = address.one_of(
        "Shares of each",
        list(_NORMALISED),
        "normalised",
        help="row: of a class, what was it taken for? column: of a prediction, what was it really?",
    )
    pixels = class_confusion(evaluation.scores.confusion)
    share = _NORMALISED[way]
    part = normalise_confusion(pixels, share.of)
    if not pixels[:, -1].any():
        pixels, part = pixels[:, :-1], part[:, :-1]
    left, right = st.columns([3, 2], gap="medium")
    with right:
        truth, predicted = _choose_cell()
    cell = (truth, predicted) if truth is not None and predicted is not None else None
    with left:
        st.plotly_chart(
            confusion_matrix(part, pixels, of=share.words, chosen=cell),
            config=CONFIG,
            key="matrix",
            on_select=_take_click,
            selection_mode="points",
            alt="confusion matrix: rows are the ground truth, columns the prediction",
        )
        st.caption("Numbers are percent, from half a percent on; the shades are logarithmic.")
    with right:
        if cell:
            _list_confused(evaluation, *cell)
        else:
            st.caption("Click a cell, or choose two classes, to see the frames behind it.")


def _choose_evaluated(shown: Shown) -> tuple[RunScores, SavedEvaluation] | None:
    """The run to look into, of those with an evaluation; None, and it is said, without any."""
    evaluated = {each.run.id: (each, each.evaluation) for each in shown.results if each.evaluation}
    if not evaluated:
        st.info("Only an evaluation counts each frame: start one above.", icon=":material/info:")
        return None
    address.restore_one("of", list(evaluated))
    if len(evaluated) > 1:
        st.radio(
            "Run",
            list(evaluated),
            format_func=lambda run_id: plain(evaluated[run_id][0].name),
            key="of",
            horizontal=True,
            on_change=address.keep,
            args=("of",),
        )
    return evaluated[st.session_state["of"]]


def _choose_cell() -> tuple[int | None, int | None]:
    """Train ids of the ground truth and the prediction to look into; the keyboard's way."""
    left, right = st.columns(2)
    with left:
        truth = st.selectbox(
            "Ground truth", CLASS_NAMES, index=None, key="truth", bind="query-params"
        )
    with right:
        predicted = st.selectbox(
            "Predicted as", _PREDICTED, index=None, key="predicted", bind="query-params"
        )
    return (
        CLASS_NAMES.index(truth) if truth else None,
        _PREDICTED.index(predicted) if predicted else None,
    )


def _take_click() -> None:
    points = st.session_state["matrix"]["selection"]["points"]
    if points:
        row, column = points[0]["customdata"][:2]
        st.session_state["truth"] = CLASS_NAMES[row]
        st.session_state["predicted"] = _PREDICTED[column]


def _list_confused(evaluation: SavedEvaluation, truth: int, predicted: int) -> None:
    frames = confused_frames(evaluation.store, truth, predicted)
    names = CLASS_NAMES[truth], _PREDICTED[predicted]
    verb = "rightly predicted" if truth == predicted else f"taken for {names[1]}"
    st.markdown(f"**{names[0]}** {verb} in {len(frames)} of {len(evaluation.store.names)} frames")
    for frame in frames[:_MOST_CONFUSED]:
        with st.container(gap=None):
            _link_to_frame(frame.name, frame.name.rpartition("/")[2])
            st.caption(f"{frame.pixels:,} pixels, {frame.share:.1%} of its {names[0]}")


def _link_to_frame(name: str, label: str) -> None:
    st.page_link(
        page_file("browse"),
        label=plain(label),
        icon=":material/photo_library:",
        help="open the frame in Browse",
        query_params={"frame": text.shown(name)},
    )


_RANKS: Final = ("mean IoU", "pixel accuracy", "IoU of a class")


def show_frames(shown: Shown) -> None:
    """The best and the worst frames of one run, with its prediction beside the truth."""
    chosen = _choose_evaluated(shown)
    if chosen is None:
        return
    result, evaluation = chosen
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        values = _choose_rank(evaluation.frames)
        first = address.one_of("First", ["worst", "best"], "first")
    order = rank_frames(values, worst_first=first == "worst")
    if not len(order):
        st.info("No frame has this class.", icon=":material/info:")
        return
    names = [text.shown(name) for name in evaluation.store.names]
    ranking = {names[index]: float(values[index]) for index in order}
    _look_at(shown.folders, result, ranking)


def _choose_rank(scores: FrameScores) -> FloatArray:
    """(N,) of the scores of frames: those to rank them by."""
    rank = address.one_of(
        "By", _RANKS, "by", help="of each frame on its own, over the classes that are in it"
    )
    if rank == _RANKS[0]:
        return scores.mean_iou
    if rank == _RANKS[1]:
        return scores.pixel_accuracy
    name = st.selectbox("Class", CLASS_NAMES, key="by_class", bind="query-params", width=200)
    return scores.class_iou[:, CLASS_NAMES.index(name)]


@st.fragment
def _look_at(folders: Folders, result: RunScores, ranking: dict[str, float]) -> None:
    """A page of the ranking, and the prediction for the frame chosen in it."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        pages = -(-len(ranking) // _FRAMES_AT_ONCE)
        page = st.pagination(pages, key="frames", bind="query-params") if pages > 1 else 1
        names = list(ranking)[(page - 1) * _FRAMES_AT_ONCE : page * _FRAMES_AT_ONCE]
        address.restore_one("looked_at", names)
        chosen = st.radio(
            "Frames",
            names,
            format_func=lambda name: plain(name.rpartition("/")[2]),
            captions=[f"{ranking[name]:.1%}" for name in names],
            key="looked_at",
            on_change=address.keep,
            args=("looked_at",),
        )
    with right:
        with errors_shown():
            _show_prediction(folders, result, chosen)
        _link_to_frame(chosen, "Open in Browse")


def _show_prediction(folders: Folders, result: RunScores, name: str) -> None:
    by_name = {in_address(frame): frame for frame in cached.frames(folders.data)}
    frame = by_name.get(name)
    if frame is None or frame.image is None:
        raise ImageError(
            f"{folders.data} has no picture of {name}: choose the data of the evaluation"
        )
    try:
        content = frame.image.read_bytes()
    except OSError as error:
        raise ImageError(f"{frame.image} cannot be read: {error.strerror}") from error
    path = frame.image
    predicted = predict(result.run.best, content, lambda content: decode_frame(content, path))
    picture = replace(
        frame_picture(folders, frame),
        prediction=publish(predicted.train_ids, "image/png"),
        confidence=publish(predicted.confidence, "image/png"),
        note=f"predicted by {result.name}",
    )
    viewer([picture], key="prediction", layer="prediction", beside="truth")
