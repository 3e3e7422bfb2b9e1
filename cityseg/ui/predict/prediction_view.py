"""What the page Predict shows: a prediction in the viewer, its shares and scores, and downloads."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Final, Literal

import streamlit as st

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import Frame, png, read_label_ids
from cityseg.errors import CitysegError
from cityseg.metrics import PictureScores, score_picture
from cityseg.ui.cached import Upload
from cityseg.ui.charts import scores as charts
from cityseg.ui.charts.shares import share_bars
from cityseg.ui.predict.choice import Chosen
from cityseg.ui.predict.inference import Predicted, predict
from cityseg.ui.routes import frame_picture, publish
from cityseg.ui.shell import Folders
from cityseg.ui.text import plain
from cityseg.ui.viewer.component import Picture, viewer

#: What `prediction.encode_prediction` makes.
_KINDS: Final[dict[Literal["trainids", "labelids", "color", "overlay"], tuple[str, str]]] = {
    "trainids": ("Train ids", "grey PNG, 0–18: what networks learn"),
    "labelids": ("Label ids", "grey PNG, 0–33: what the evaluation server takes"),
    "color": ("Colours", "PNG in the official colours"),
    "overlay": ("Overlay", "PNG of the colours over the picture"),
}


def show_prediction(
    folders: Folders, weights: Path | Upload, chosen: Chosen, *, sliding: bool, flip: bool
) -> None:
    """Predict what was chosen and show what comes of it.

    Raises CheckpointError, ImageError, or CitysegError if the memory does not suffice.
    """
    predicted = predict(weights, chosen.content, chosen.decode, sliding=sliding, flip=flip)
    train_ids = as_uint8(png.decode_grey(predicted.train_ids))
    found, problem = _compare(train_ids, chosen.frame)
    viewer([_picture(folders, chosen, predicted, with_truth=found.truth is not None)], key="viewer")
    if problem:
        st.warning(f"No scores: {plain(problem)}", icon=":material/warning:")
    _show_numbers(predicted, found)
    _show_classes(found)
    _offer_downloads(chosen, train_ids, found)


def _compare(train_ids: Uint8Array, frame: Frame | None) -> tuple[PictureScores, str]:
    """What the prediction amounts to, and why there is no truth although there should be."""
    source = frame and (frame.label_ids or frame.polygons)
    if not source:
        return score_picture(train_ids), ""
    try:
        return score_picture(train_ids, read_label_ids(source)), ""
    except CitysegError as error:
        return score_picture(train_ids), str(error)


def _picture(
    folders: Folders, chosen: Chosen, predicted: Predicted, *, with_truth: bool
) -> Picture:
    if chosen.frame:
        picture = frame_picture(folders, chosen.frame)
        if not with_truth:
            picture = replace(picture, labels=None, instances=None, mask=None)
    else:
        picture = Picture(chosen.name, publish(predicted.photo, "image/jpeg"))
    return replace(
        picture,
        prediction=publish(predicted.train_ids, "image/png"),
        confidence=publish(predicted.confidence, "image/png"),
    )


def _show_numbers(predicted: Predicted, found: PictureScores) -> None:
    height, width = predicted.size_hw
    numbers = [
        ("Size", f"{width}×{height}", "pixels of the picture, and of the prediction"),
        ("Network", _seconds(predicted.network_seconds), "from decoded pixels to classes"),
        ("Decoding", _seconds(predicted.decode_seconds), "from the file to its pixels"),
    ]
    if truth := found.truth:
        numbers = [
            ("Mean IoU", _percent(truth.mean_iou), "over the classes that the annotation has"),
            ("Pixel accuracy", _percent(truth.pixel_accuracy), "of the pixels that count"),
            *numbers,
        ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, about in numbers:
            st.metric(label, value, help=about, width="content")


def _show_classes(found: PictureScores) -> None:
    left, right = st.columns(2, gap="medium") if found.truth else (st.container(), None)
    with left:
        st.subheader("Classes in the picture")
        st.plotly_chart(
            share_bars(found.shares, found.true_shares),
            config=charts.CONFIG,
            key="shares",
            alt="bars: the share of the picture that each class has",
        )
    if right:
        with right:
            st.subheader("IoU of this picture")
            _show_iou(found)


def _show_iou(found: PictureScores) -> None:
    scores = {name: iou for name, iou in found.class_iou.items() if not math.isnan(iou)}
    if not scores:
        st.info("Nothing in the annotation is evaluated.", icon=":material/info:")
        return
    st.plotly_chart(
        charts.iou_bars([charts.Series("IoU", scores)], list(scores), by_value=True),
        config=charts.CONFIG,
        key="iou",
        alt="bars: the IoU of each class that the annotation has",
    )


def _offer_downloads(chosen: Chosen, train_ids: Uint8Array, found: PictureScores) -> None:
    st.subheader("Download")
    stem = PurePath(chosen.frame.stem if chosen.frame else chosen.name).stem
    with st.container(horizontal=True):
        for kind, (label, about) in _KINDS.items():
            st.download_button(
                label,
                partial(_encode, kind, chosen, train_ids),
                file_name=f"{stem}-{kind}.png",
                mime="image/png",
                key=f"download-{kind}",
                help=about,
                on_click="ignore",
                icon=":material/download:",
            )
        st.download_button(
            "Table",
            found.to_csv(),
            file_name=f"{stem}-classes.csv",
            mime="text/csv",
            key="download-csv",
            help="CSV of pixels, share and, with an annotation, IoU of each class",
            on_click="ignore",
            icon=":material/download:",
        )


def _encode(
    kind: Literal["trainids", "labelids", "color", "overlay"],
    chosen: Chosen,
    train_ids: Uint8Array,
) -> bytes:
    from cityseg.prediction import encode_prediction  # loads torch, as the prediction did

    return encode_prediction(kind, chosen.decode(chosen.content), train_ids)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"
