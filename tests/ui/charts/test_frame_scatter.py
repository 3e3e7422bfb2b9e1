"""Frames as points: each knows its name, and the chosen one has a ring."""

import numpy as np

from cityseg.ui.charts import Axis, FramePoints, frame_scatter

AXES = Axis("Objects", percent=False), Axis("Mean IoU", percent=True)


def test_points_name_their_frames_and_the_chosen_one_is_ringed() -> None:
    values = np.array([1.0, 2.0]), np.array([0.5, np.nan])
    runs = [
        FramePoints("A", ["v/c/a", "v/c/%b"], *values),
        FramePoints("B", ["v/c/a", "v/c/c"], *values),
    ]
    figure = frame_scatter(runs, *AXES, chosen="v/c/%b")
    assert figure.data[0].customdata == ([0, "v/c/a", "a"], [0, "v/c/%b", "&#37;b"])
    assert figure.data[1].customdata[0][0] == 1
    (ring,) = figure.data[2:]
    assert ring.x == (2.0,)
    assert figure.layout.yaxis.tickformat == ".3~p"


def test_without_a_choice_there_is_no_ring() -> None:
    points = FramePoints("A", ["v/c/a"], np.array([1.0]), np.array([0.5]))
    assert len(frame_scatter([points], *AXES).data) == 1
