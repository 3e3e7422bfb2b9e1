"""The figures of learning: what stands in the panes and the curves."""

import base64

import numpy as np
import plotly.graph_objects as go
from city import decode

from cityseg.ui.charts import LearningPanes, learning_curves, learning_panes

EPOCHS = [1, 2, 5]


def panes(shown: int = 1) -> LearningPanes:
    """A frame of five pixels: learned at once, by each later epoch, never, and ignored."""
    return LearningPanes(
        image=np.full((1, 5, 3), 7, np.uint8),
        truth=np.array([[0, 0, 0, 0, 255]], np.uint8),
        prediction=np.array([[0, 0, 3, 3, 0]], np.uint8),
        epochs=EPOCHS,
        shown=shown,
        learned=np.array([[0, 1, 2, 3, -1]]),
        forgotten=np.array([[0, 0, 2, 1, -1]]),
        most_forgotten=2,
    )


def maps_of(figure: go.Figure) -> list[list[float]]:
    return [trace.z[0].tolist() for trace in figure.data if isinstance(trace, go.Heatmap)]


def test_a_map_has_the_epochs_so_far_and_apart_what_is_learned_later_and_never() -> None:
    nan = np.nan
    known, later, never, forgotten = maps_of(learning_panes(panes()))
    np.testing.assert_equal(known, [1, 2, nan, nan, nan])
    np.testing.assert_equal(later, [nan, nan, 5, nan, nan])
    np.testing.assert_equal(never, [nan, nan, nan, 1, nan])
    np.testing.assert_equal(forgotten, [0, 0, 2, 1, nan])


def test_after_the_last_epoch_nothing_is_learned_later() -> None:
    known, later, *_ = maps_of(learning_panes(panes(shown=2)))
    np.testing.assert_equal(known, [1, 2, 5, np.nan, np.nan])
    assert np.isnan(later).all()


def test_pictures_are_exact_and_all_panes_zoom_together() -> None:
    figure = learning_panes(panes())
    sources = [trace.source for trace in figure.data if isinstance(trace, go.Image)]
    photo, truth, prediction = (
        decode(base64.b64decode(source.removeprefix("data:image/png;base64,")))
        for source in sources
    )
    assert (photo == 7).all()
    assert truth.tolist() == [[0, 0, 0, 0, 255]]
    assert prediction.tolist() == [[0, 0, 3, 3, 0]]
    axes = [figure.layout[f"xaxis{number}"] for number in range(2, 6)]
    assert all(axis.matches == "x" for axis in axes)
    assert figure.layout.uirevision  # a zoom survives another epoch


def test_the_scale_is_that_of_the_page() -> None:
    light, dark = (learning_panes(panes(), dark=dark).data[3].colorscale for dark in (False, True))
    assert light != dark


def test_curves_leave_out_absent_classes() -> None:
    shares = np.full((3, 19), np.nan)
    shares[:, 0], shares[:, 13] = [0.1, 0.2, 0.3], [0, 0, 1]
    figure = learning_curves(EPOCHS, shares, np.array([0.05, 0.1, 0.6]))
    assert {curve.name: list(curve.y) for curve in figure.data} == {
        "road": [0.1, 0.2, 0.3],
        "car": [0, 0, 1],
        "All classes": [0.05, 0.1, 0.6],
    }
    assert list(figure.data[0].x) == EPOCHS
    assert figure.layout.xaxis.dtick == 1  # not of half an epoch
