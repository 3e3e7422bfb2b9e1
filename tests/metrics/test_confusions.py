"""Confusions: scores of single frames, shares of the matrix, and the frames behind a cell."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME, NUM_LABEL_IDS
from cityseg.metrics.confusions import (
    class_confusion,
    class_frequency,
    confused_frames,
    frame_scores,
    ranked,
    shares,
)
from cityseg.metrics.counts import FrameCounts, confusion_matrix
from cityseg.metrics.scores import ConfusionStore

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)

ROAD, SIDEWALK, CAR = (CLASS_NAMES.index(name) for name in ("road", "sidewalk", "car"))
ROAD_ID, SIDEWALK_ID, CAR_ID = (LABEL_OF_NAME[n].id for n in ("road", "sidewalk", "car"))


def store_of(*confusions: np.ndarray[Any, Any]) -> ConfusionStore:
    frames = [FrameCounts(f"val/a/{n}", each, None) for n, each in enumerate(confusions)]
    return ConfusionStore.of(frames)


def store_of_maps(*frames: tuple[list[int], list[int]]) -> ConfusionStore:
    """A frame for each pair of label ids: ground truth, prediction."""
    maps = [[np.array([ids], np.uint8) for ids in pair] for pair in frames]
    return store_of(*(confusion_matrix(truth, predicted) for truth, predicted in maps))


stores = arrays(
    np.int64, (3, NUM_LABEL_IDS, NUM_LABEL_IDS), elements=st.integers(0, 3), fill=st.just(0)
).map(lambda confusions: store_of(*confusions))


# --- frames -----------------------------------------------------------------------------------


@unhurried
@given(stores)
def test_scores_of_a_frame_are_those_of_its_confusion_where_a_class_is_in_it(
    store: ConfusionStore,
) -> None:
    scores = frame_scores(store)
    for index in range(len(store.names)):
        of_frame = store.scores([index])
        truth = class_confusion(of_frame.confusion).sum(axis=1)
        expected = [
            of_frame.class_iou[name] if pixels else math.nan
            for name, pixels in zip(CLASS_NAMES, truth, strict=True)
        ]
        assert scores.class_iou[index].tolist() == pytest.approx(expected, nan_ok=True)
        mean = np.nanmean(expected) if truth.any() else math.nan
        assert scores.mean_iou[index] == pytest.approx(mean, nan_ok=True)
        assert scores.pixel_accuracy[index] == pytest.approx(of_frame.pixel_accuracy, nan_ok=True)


def test_a_class_that_is_only_predicted_lowers_another_and_has_no_score_itself() -> None:
    scores = frame_scores(store_of_maps(([ROAD_ID, ROAD_ID], [ROAD_ID, CAR_ID])))
    assert scores.class_iou[0, ROAD] == 0.5
    assert math.isnan(scores.class_iou[0, CAR])
    assert scores.mean_iou[0] == 0.5


def test_the_worst_come_first_or_last_and_what_is_undefined_never() -> None:
    values = np.array([0.5, math.nan, 0.1, 0.9, 0.1])
    assert ranked(values, worst_first=True).tolist() == [2, 4, 0, 3]
    assert ranked(values, worst_first=False).tolist() == [3, 0, 2, 4]


def test_frames_of_a_confusion_are_sorted_by_pixels_and_have_their_share() -> None:
    store = store_of_maps(
        ([ROAD_ID] * 4, [SIDEWALK_ID, ROAD_ID, ROAD_ID, ROAD_ID]),
        ([ROAD_ID] * 4, [ROAD_ID] * 4),
        ([ROAD_ID] * 2 + [CAR_ID] * 2, [SIDEWALK_ID] * 4),
    )
    found = confused_frames(store, ROAD, SIDEWALK)
    assert found == [("val/a/2", 2, 1.0), ("val/a/0", 1, 0.25)]


@unhurried
@given(stores)
def test_frames_of_all_confusions_together_have_the_pixels_of_the_matrix(
    store: ConfusionStore,
) -> None:
    matrix = class_confusion(store.scores().confusion)
    for cell in ((ROAD, ROAD), (ROAD, CAR), (CAR, len(CLASS_NAMES))):
        assert sum(frame.pixels for frame in confused_frames(store, *cell)) == matrix[cell]


# --- the matrix -------------------------------------------------------------------------------


def test_predictions_of_ignored_labels_are_the_last_column() -> None:
    matrix = class_confusion(store_of_maps(([ROAD_ID, ROAD_ID], [ROAD_ID, 4])).scores().confusion)
    assert matrix.shape == (19, 20)
    assert matrix[ROAD].tolist() == [1, *[0] * 18, 1]
    assert matrix.sum() == 2


def test_shares_are_of_the_row_the_column_or_all_and_undefined_without_pixels() -> None:
    pixels = np.array([[6, 2], [0, 0], [2, 0]])
    nan = math.nan
    of_truth, of_prediction, of_all = (
        shares(pixels, "truth"),
        shares(pixels, "prediction"),
        shares(pixels, "all"),
    )
    assert np.array_equal(of_truth, [[0.75, 0.25], [nan, nan], [1, 0]], equal_nan=True)
    assert np.array_equal(of_prediction, [[0.75, 1], [0, 0], [0.25, 0]])
    assert np.array_equal(of_all, [[0.6, 0.2], [0, 0], [0.2, 0]])


def test_the_frequency_of_a_class_is_its_share_of_the_evaluated_pixels() -> None:
    store = store_of_maps(
        ([ROAD_ID, ROAD_ID, SIDEWALK_ID, 0], [CAR_ID] * 4), ([CAR_ID, CAR_ID, 0, 0], [CAR_ID] * 4)
    )
    frequency = class_frequency(store.scores().confusion)
    assert frequency["road"] == frequency["car"] == 0.4
    assert frequency["sidewalk"] == 0.2
    assert frequency["bus"] == 0
