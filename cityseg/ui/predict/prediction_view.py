"""A prediction on the page Predict: in the viewer, with shares and scores, and as downloads."""

import math
from dataclasses import replace
from functools import partial
from html import escape
from io import BytesIO
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.arrays import Uint8Array
from cityseg.data import check_sizes, png
from cityseg.errors import CitysegError, MaskError
from cityseg.metrics import PictureScores, score_picture
from cityseg.ui import cached, charts
from cityseg.ui.decoding import BUDGET, pixels_in
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.predict.inference import Predicted, predict
from cityseg.ui.predict.inputs import InputPicture
from cityseg.ui.predict.networks import Network
from cityseg.ui.predict.worse import said
from cityseg.ui.routes import frame_picture, publish
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain, sentence
from cityseg.ui.viewer import Picture, viewer

if TYPE_CHECKING:
    from cityseg.prediction.files import OutputKind  # imports torch

_VIEWER: Final = "viewer"
#: Label and help of each download.
_DOWNLOADS: "Final[dict[OutputKind, tuple[str, str]]]" = {
    "trainids": (
        "Train ids",
        "Grey PNG of the numbers that networks learn, in which 0 is road.\n\n"
        + explain("Train id"),
    ),
    "labelids": (
        "Label ids",
        "Grey PNG as the evaluation server takes them.\n\n" + explain("Label id"),
    ),
    "color": ("Colours", "PNG in the official colours of the classes."),
    "overlay": ("Overlay", "PNG of the colours over the picture."),
}


def show_prediction(
    folders: Folders,
    network: Network,
    picture: InputPicture,
    menus: DeltaGenerator,
    *,
    sliding: bool,
    flip: bool,
) -> None:
    """Predict the picture and draw the result, with a menu of downloads in `menus`.

    Raises CheckpointError, ImageError, or CitysegError if the memory does not suffice.
    """
    pixel_aspect = cached.pixel_aspect(folders.data, folders.masks) if picture.frame else 1.0
    # The place of what is shown meanwhile is always there: with another one, the viewer below would
    # be another viewer, which begins with its first layer again.
    meanwhile = st.empty()
    try:
        with meanwhile.container():
            if _VIEWER not in st.session_state:
                _show_photo(folders, picture)
            predicted = predict(
                network.weights,
                picture.content,
                picture.decode,
                sliding=sliding,
                flip=flip,
                pixel_aspect=pixel_aspect,
                corruption=picture.corruption,
            )
    finally:
        meanwhile.empty()
    scores, problem = _score(folders, predicted.train_ids, picture)
    shown = _viewer_picture(folders, picture, predicted, with_truth=scores.truth is not None)
    with menus:
        _show_downloads(picture, predicted.train_ids, scores)
    viewer([shown], key=_VIEWER, pixel_aspect=pixel_aspect)
    _show_source(network, picture)
    if problem:
        st.warning(f"No scores: {plain(sentence(problem))}", icon=":material/warning:")
    _show_numbers(predicted, scores)
    _show_classes(scores)


def _show_photo(folders: Folders, picture: InputPicture) -> None:
    """Show the photo until the first prediction is there, which takes seconds.

    A browser may be unable to show the file that somebody handed in.
    """
    if picture.frame:
        address = frame_picture(folders, picture.frame).image
    elif picture.truth is not None:
        address = publish(picture.content, "image/png")
    else:
        return
    style = "display: block; max-width: 100%; max-height: 60vh; margin-bottom: 0.5rem;"
    st.html(f'<img src="{escape(address)}" alt="{escape(picture.name)}" style="{style}">')


def _show_source(network: Network, picture: InputPicture) -> None:
    """Say which network has predicted, and link to the frame in Browse."""
    licence = f", {network.licence}" if network.licence else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        worse = f" Made worse: {said(picture.corruption)}." if picture.corruption else ""
        st.caption(f"Predicted by {plain(network.name)}{licence}.{worse}", width="content")
        if picture.frame:
            st.page_link(
                page_file("browse"),
                label="Browse",
                icon=":material/photo_library:",
                query_params={"frame": picture.name},
            )


def _score(
    folders: Folders, train_ids: Uint8Array, picture: InputPicture
) -> tuple[PictureScores, str]:
    """The scores, and why the frame's annotation could not be used, if so."""
    if picture.truth is not None:
        return score_picture(train_ids, picture.truth), ""
    frame = picture.frame
    annotation = frame and (frame.label_ids or frame.polygons)
    if not annotation:
        return score_picture(train_ids), ""
    try:
        reading = cached.reading(folders.data, folders.masks)
        if problem := reading.verdict.problem("choose it on the page Masks"):
            return score_picture(train_ids), problem
        truth = reading.label_ids(annotation)
        check_sizes(annotation, truth.shape, train_ids.shape)
        return score_picture(train_ids, truth), ""
    except MaskError as error:
        return score_picture(train_ids), error.detail
    except CitysegError as error:
        return score_picture(train_ids), str(error)


def _viewer_picture(
    folders: Folders, picture: InputPicture, predicted: Predicted, *, with_truth: bool
) -> Picture:
    if picture.frame:
        shown = frame_picture(folders, picture.frame)
        if picture.corruption:
            shown = replace(shown, image=publish(predicted.photo_jpeg, "image/jpeg"))
        if not with_truth:
            shown = replace(shown, labels=None, values=None, instances=None, mask=None)
    else:
        shown = Picture(picture.name, publish(predicted.photo_jpeg, "image/jpeg"))
        if picture.truth is not None:
            shown = replace(shown, labels=publish(png.encode_grey(picture.truth), "image/png"))
    return replace(
        shown,
        prediction=publish(predicted.train_ids_png, "image/png"),
        confidence=publish(predicted.confidence_png, "image/png"),
    )


def _show_numbers(predicted: Predicted, scores: PictureScores) -> None:
    height, width = predicted.train_ids.shape
    numbers = [
        ("Size", f"{width}×{height}", "Pixels of the picture and of the prediction."),
        (
            "Time to predict",
            _seconds(predicted.network_seconds),
            "From the decoded pixels to the class of each.",
        ),
        ("Time to decode", _seconds(predicted.decode_seconds), "From the file to its pixels."),
    ]
    if truth := scores.truth:
        numbers = [
            (
                "Mean IoU",
                percent(truth.mean_iou),
                "Over the classes in this picture.\n\n" + explain("Mean IoU", "IoU"),
            ),
            (
                "Pixel accuracy",
                percent(truth.pixel_accuracy),
                explain("Pixel accuracy", "255"),
            ),
            *numbers,
        ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, about in numbers:
            st.metric(label, value, help=about, width="content")


def _show_classes(scores: PictureScores) -> None:
    left, right = st.columns(2, gap="medium") if scores.truth else (st.container(), None)
    with left:
        st.header("Classes in the picture")
        st.plotly_chart(
            charts.share_bars(scores.shares, scores.true_shares),
            config=charts.CONFIG,
            key="shares",
            alt="Bars: the share of the picture that each class has",
        )
    if right:
        with right:
            st.header("IoU of this picture", help=explain("IoU"))
            _show_iou(scores)


def _show_iou(scores: PictureScores) -> None:
    defined = {name: iou for name, iou in scores.class_iou.items() if not math.isnan(iou)}
    if not defined:
        st.info("The annotation has none of the 19 classes.", icon=":material/info:")
        return
    st.plotly_chart(
        charts.iou_bars([charts.Series("IoU", defined)], list(defined), by_value=True),
        config=charts.CONFIG,
        key="iou",
        alt="Bars: the IoU of each class that the annotation has",
    )


def _show_downloads(picture: InputPicture, train_ids: Uint8Array, scores: PictureScores) -> None:
    stem = picture.frame.stem if picture.frame else PurePath(picture.name).stem
    with st.popover("Download", icon=":material/download:"):
        for kind, (label, about) in _DOWNLOADS.items():
            st.download_button(
                label,
                # Called at the click: encoding all of them would slow down every rerun, and the
                # browser asks at once for a file, which the next rerun may remove.
                partial(_encode, kind, picture, train_ids),
                file_name=f"{stem}-{kind}.png",
                mime="image/png",
                key=f"download-{kind}",
                help=about,
                on_click="ignore",
                type="tertiary",
            )
        st.download_button(
            "Table",
            lambda: scores.to_csv().encode(),
            file_name=f"{stem}-classes.csv",
            mime="text/csv",
            key="download-csv",
            help="CSV of the pixels, the share and, with an annotation, the IoU of each class.",
            on_click="ignore",
            type="tertiary",
        )


def _encode(kind: "OutputKind", picture: InputPicture, train_ids: Uint8Array) -> bytes:
    from cityseg.prediction import encode_prediction  # imports torch, as the prediction did

    with BUDGET.spending(pixels_in(BytesIO(picture.content))):
        return encode_prediction(kind, picture.decode(picture.content), train_ids)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
