"""Boundary IoU against its definition, class by class and with erosion pixel by pixel."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE, NUM_CLASSES, TRAIN_ID_OF_LABEL_ID
from cityseg.metrics.boundaries import (
    boundary_band,
    boundary_counts,
    boundary_distance,
    boundary_iou,
)

VALUES = st.sampled_from([0, 1, 2, 18, IGNORE])
SIZE = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@st.composite
def pairs_of_maps(draw):
    size = draw(SIZE)
    return tuple(draw(hnp.arrays(np.uint8, size, elements=VALUES)) for _ in range(2))


def reference_band(region: np.ndarray, distance: int) -> np.ndarray:
    """The band of one binary region: what an erosion by `distance` steps takes away."""
    eroded = cv2.erode(
        np.pad(region.astype(np.uint8), 1),
        np.ones((3, 3), np.uint8),
        iterations=distance,
        borderType=cv2.BORDER_CONSTANT,
        borderValue=(0,),
    )
    return region & ~eroded[1:-1, 1:-1].astype(bool)


@given(pairs_of_maps(), st.integers(1, 5))
def test_all_classes_at_once_equal_the_definition_for_each(maps, distance) -> None:
    truth, predicted = maps
    counts = boundary_counts(truth, predicted, distance)
    evaluated = truth != IGNORE
    for train_id in range(NUM_CLASSES):
        of_truth, of_prediction = (
            reference_band(label_map == train_id, distance) & evaluated for label_map in maps
        )
        both = np.count_nonzero(of_truth & of_prediction)
        expected = [np.count_nonzero(of_truth), np.count_nonzero(of_prediction), both]
        assert counts[train_id].tolist() == expected


def test_the_border_of_the_picture_is_a_contour() -> None:
    band = boundary_band(np.zeros((5, 7), np.uint8), 1)
    assert not band[1:-1, 1:-1].any()
    assert np.count_nonzero(~band) == 3 * 5


def test_a_contour_that_is_off_by_more_than_the_distance_has_nothing_in_common() -> None:
    truth, predicted = (np.zeros((8, 32), np.uint8) for _ in range(2))
    truth[:, 10:], predicted[:, 20:] = 1, 1
    iou = boundary_iou(boundary_counts(truth, predicted, 2))
    of_both = boundary_iou(boundary_counts(truth, truth, 2))
    assert of_both[:2].tolist() == [1, 1]
    assert np.isnan(of_both[2:]).all()
    assert 0 < iou[0] < 1  # the border of the picture is met


def test_iou_of_sums() -> None:
    counts = np.array([[[4, 4, 2]], [[0, 2, 0]]])
    assert boundary_iou(counts.sum(axis=0)).tolist() == [2 / 8]


@pytest.mark.parametrize(
    ("size", "expected"), [((1024, 2048), 11), ((256, 256), 2), ((8, 8), 1)], ids=str
)
def test_the_distance_is_half_a_percent_of_the_diagonal(size, expected) -> None:
    assert boundary_distance(size) == expected == max(1, round(math.hypot(*size) / 200))


def test_on_genuine_frames_every_class_equals_its_definition(genuine: Path) -> None:
    paths = sorted(genuine.glob("gtFine/*/*/*_labelIds.png"))[:2]
    maps = [
        cv2.LUT(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), TRAIN_ID_OF_LABEL_ID) for path in paths
    ]
    truth, predicted = maps  # of another frame
    distance = boundary_distance(truth.shape)
    assert distance == 11
    found = boundary_counts(truth, predicted, distance)
    evaluated = truth != IGNORE
    for train_id in range(NUM_CLASSES):
        bands = [reference_band(label_map == train_id, distance) & evaluated for label_map in maps]
        counts = [np.count_nonzero(band) for band in (*bands, bands[0] & bands[1])]
        assert found[train_id].tolist() == counts
    assert np.count_nonzero(found[:, 0]) > 10
