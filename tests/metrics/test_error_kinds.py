"""Kinds of wrong pixels against their definition, class by class and pixel by pixel."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.components import find_overlaps
from cityseg.metrics.error_kinds import error_counts, region_errors

VALUES = st.sampled_from([0, 1, 18, IGNORE])
#: Those of a map of all classes, which need more than 16 bits.
MANY = st.sampled_from([*range(NUM_CLASSES), IGNORE])


@st.composite
def pairs_of_maps(draw, values=VALUES):
    size = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
    return tuple(draw(hnp.arrays(np.uint8, size, elements=values)) for _ in range(2))


def count(truth: np.ndarray, predicted: np.ndarray, distance: int) -> np.ndarray:
    both = find_overlaps(truth, predicted)
    return error_counts(both, region_errors(both, distance))


def near(region: np.ndarray, distance: int) -> np.ndarray:
    kernel = np.ones((2 * distance + 1,) * 2, np.uint8)
    return cv2.dilate(region.astype(np.uint8), kernel).astype(bool)


def reference(truth, predicted, train_id: int, distance: int) -> list[list[np.ndarray]]:
    """(H, W) masks of the missed and of the invented pixels of a class, by kind."""
    evaluated = truth != IGNORE
    true, found = (truth == train_id) & evaluated, (predicted == train_id) & evaluated
    right, background = true & found, ~true & ~found & evaluated
    # Right for the background is what was predicted as another class, not as an ignored label.
    at_boundary = near(right, distance) & near(background, distance)
    rows = []
    for region, wrong in ((true, true & ~found), (found, found & ~true)):
        _, ids = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
        with_hits = np.isin(ids, np.unique(ids[right]))
        kinds = (
            wrong & at_boundary,
            wrong & ~at_boundary & with_hits,
            wrong & ~at_boundary & ~with_hits,
        )
        rows.append(list(kinds))
    return rows


@given(pairs_of_maps() | pairs_of_maps(MANY), st.integers(1, 5))
def test_all_classes_at_once_equal_the_definition_for_each(maps, distance) -> None:
    counts = count(*maps, distance)
    for train_id in range(NUM_CLASSES):
        masks = reference(*maps, train_id, distance)
        expected = [[np.count_nonzero(kind) for kind in side] for side in masks]
        assert counts[train_id].tolist() == expected


@given(pairs_of_maps(), st.integers(1, 3))
def test_each_region_has_its_own_wrong_pixels(maps, distance) -> None:
    both = find_overlaps(*maps)
    masks = {each: reference(*maps, each, distance) for each in (0, 1, 18)}
    for side, (own, errors) in enumerate(
        zip(both.components, region_errors(both, distance), strict=True)
    ):
        assert errors[0].tolist() == [0, 0]
        for number in range(1, len(own.pixels)):
            boundary, extent, segment = masks[int(own.values[number])][side]
            inside = own.ids == number
            expected = [(inside & each).sum() for each in (boundary, extent | segment)]
            assert errors[number].tolist() == expected


@given(pairs_of_maps())
def test_the_kinds_of_a_class_add_up_to_its_wrong_pixels(maps) -> None:
    truth, predicted = maps
    counts = count(truth, predicted, 2)
    for train_id in range(NUM_CLASSES):
        missed = (truth == train_id) & (predicted != train_id)
        invented = (predicted == train_id) & (truth != train_id) & (truth != IGNORE)
        sums = [np.count_nonzero(missed), np.count_nonzero(invented)]
        assert counts[train_id].sum(axis=1).tolist() == sums


def test_a_missed_an_invented_a_cut_and_a_blurred_object() -> None:
    truth, predicted = (np.zeros((40, 100), np.uint8) for _ in range(2))
    truth[10:20, 5:15] = 1  # missed
    predicted[10:20, 25:35] = 1  # invented
    truth[5:35, 45:75], predicted[5:35, 45:55] = 1, 1  # two thirds are not found
    truth[10:20, 85:95], predicted[10:20, 86:95] = 1, 1  # a column is off
    counts = count(truth, predicted, 2)
    missed, invented = counts[1].tolist()
    assert invented == [0, 0, 100]
    # The edges of the cut object count as boundary where background and found part are both near.
    assert missed == [10 + 8, 600 - 8, 100]
