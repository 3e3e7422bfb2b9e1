"""Connected components of label maps against OpenCV's, one class at a time."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE
from cityseg.metrics.components import connected_components

MAPS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 18, IGNORE]),
)


@given(MAPS)
def test_components_are_those_of_each_class_by_itself(label_map) -> None:
    found = connected_components(label_map)
    count = 0
    for value in (0, 1, 18):
        region = (label_map == value).astype(np.uint8)
        number, ids = cv2.connectedComponents(region, connectivity=4)
        count += number - 1
        for component in range(1, number):
            rows, columns = np.nonzero(ids == component)
            (own,) = set(found.ids[rows, columns].tolist())
            assert found.values[own] == value
            assert found.pixels[own] == rows.size == np.count_nonzero(found.ids == own)
            box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            assert found.boxes[own].tolist() == box
    assert len(found.values) == count + 1


@given(MAPS)
def test_ignored_pixels_have_no_component(label_map) -> None:
    found = connected_components(label_map)
    assert ((found.ids == 0) == (label_map == IGNORE)).all()
    assert found.values[0] == IGNORE
    assert found.pixels[0] == np.count_nonzero(label_map == IGNORE)


def test_neighbours_by_a_corner_only_are_apart() -> None:
    found = connected_components(np.array([[0, 1], [1, 0]], np.uint8))
    assert sorted(found.values.tolist()) == [0, 0, 1, 1, IGNORE]
