"""The view "Which frames?": frames as points, and the worst of them as pictures."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.errors import ImageError
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import finite_or_none, rank_frames
from cityseg.ui import cached, charts
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.downloads import show_record_downloads
from cityseg.ui.results.evidence_runs import RunEvidence, choose, choose_run
from cityseg.ui.results.frame_properties import PROPERTIES, SCORES, title, values_of
from cityseg.ui.routes import predicted_gallery
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import utf8
from cityseg.ui.viewer import viewer

#: The address's name for the frame that was clicked.
_PICKED = "picked"


class _Axes(NamedTuple):
    """What is drawn: a score, a property, and the class that either is of."""

    score: str
    against: str
    train_id: int

    def axis(self, name: str) -> charts.Axis:
        quantity = (SCORES | PROPERTIES)[name]
        return charts.Axis(title(name, quantity, self.train_id), quantity.is_share)


def show_evidence_frames(comparison: Comparison, controls: DeltaGenerator) -> None:
    """A scatter of the frames; a click opens one of them, and the worst come first."""
    shown = choose(comparison, controls)
    if not shown:
        return
    with controls:
        axes = _choose_axes()
    folders = comparison.folders
    clouds = [_points(each, folders, axes) for each in shown]
    picked = utf8(st.query_params.get(_PICKED, ""))
    st.plotly_chart(
        charts.frame_scatter(clouds, axes.axis(axes.against), axes.axis(axes.score), chosen=picked),
        config=charts.CONFIG,
        key="frame_points",
        on_select=partial(_take_click, [each.run.run.id for each in shown]),
        selection_mode="points",
        alt=f"Frames as points: {axes.score} against {axes.against}",
    )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    run = choose_run(shown, row)
    with row:
        st.caption(
            "A click on a point opens the frame. Below are all frames, the worst first.",
            width="content",
        )
    with errors_shown():
        _show_pictures(folders, run, clouds[shown.index(run)], axes, picked)
    show_record_downloads(controls, "frames", lambda: _records(shown, clouds, axes))


def _choose_axes() -> _Axes:
    score = st.selectbox(
        "Score",
        list(SCORES),
        key="score",
        bind="query-params",
        width=140,
        help=explain("IoU", "Boundary IoU", "Pixel accuracy", "ECE"),
    )
    against = st.selectbox(
        "Against",
        list(PROPERTIES),
        key="against",
        bind="query-params",
        width=160,
        help="Brightness: the mean of all colours. Objects: connected regions of the classes with "
        "instances in the annotation. Frame order: by name.",
    )
    name = "car"
    if SCORES[score].of_class or PROPERTIES[against].of_class:
        name = st.selectbox(
            "Class",
            CLASS_NAMES,
            index=CLASS_NAMES.index(name),
            key="frame_class",
            bind="query-params",
            width=130,
        )
    return _Axes(score, against, CLASS_NAMES.index(name))


def _points(each: RunEvidence, folders: Folders, axes: _Axes) -> charts.FramePoints:
    names = [utf8(each.evidence.store.names[index]) for index in each.frames]
    x, y = (
        values_of(quantity, each, folders, axes.train_id)
        for quantity in (PROPERTIES[axes.against], SCORES[axes.score])
    )
    return charts.FramePoints(each.run.name, names, x, y, each.position)


def _take_click(run_ids: Sequence[str]) -> None:
    selected = st.session_state["frame_points"]["selection"]["points"]
    if selected and (point := selected[0].get("customdata")):
        st.query_params.update({"of": run_ids[int(point[0])], _PICKED: str(point[1])})


def _show_pictures(
    folders: Folders, run: RunEvidence, points: charts.FramePoints, axes: _Axes, picked: str
) -> None:
    """The frames with their predictions, the worst first; begins with the one that was clicked."""
    order = rank_frames(points.y, worst_first=SCORES[axes.score].more_is_better)
    by_name = {utf8(frame.name): frame for frame in cached.frames(folders.data, folders.masks)}
    found = [index for index in order.tolist() if points.names[index] in by_name]
    if not found:
        raise ImageError(
            f"{folders.data} has no picture of these frames: open the dataset that the evidence "
            "is of"
        )
    names = [points.names[index] for index in found]
    gallery = predicted_gallery(
        folders,
        [by_name[name] for name in names],
        run.evidence.folder,
        [f"{axes.axis(axes.score).title} {percent(float(points.y[index]))}" for index in found],
    )
    viewer(
        gallery,
        key="evidence_frames",
        start=picked if picked in names else None,
        layer="prediction",
        beside="truth",
        pixel_aspect=cached.pixel_aspect(folders.data, folders.masks),
    )


def _records(
    shown: Sequence[RunEvidence], clouds: Sequence[charts.FramePoints], axes: _Axes
) -> list[dict[str, Any]]:
    return [
        {
            "run": each.run.run.id,
            "frame": name,
            axes.axis(axes.score).title: finite_or_none(float(y)),
            axes.axis(axes.against).title: finite_or_none(float(x)),
        }
        for each, cloud in zip(shown, clouds, strict=True)
        for name, x, y in zip(cloud.names, cloud.x, cloud.y, strict=True)
    ]
