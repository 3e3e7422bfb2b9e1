"""The counts of many frames: subsets, single frames, the matrix, and the frames behind a cell."""

import math
from typing import Any

import numpy as np
import pytest
from confusions import random_store, store_of_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cityseg.labels import CLASS_NAMES, LABEL_ID_OF_TRAIN_ID, LABEL_OF_NAME, NUM_LABEL_IDS
from cityseg.metrics.confusions import (
    ConfusionStore,
    class_confusion,
    class_frequency,
    confused_frames,
    frame_scores,
    normalise_confusion,
    rank_frames,
)
from cityseg.metrics.counts import FrameCounts, count_frame
from cityseg.metrics.scores import Scores

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)

ROAD, SIDEWALK, CAR = (CLASS_NAMES.index(name) for name in ("road", "sidewalk", "car"))
ROAD_ID, SIDEWALK_ID, SKY_ID, CAR_ID = (
    LABEL_OF_NAME[name].id for name in ("road", "sidewalk", "sky", "car")
)


def store_of(*confusions: np.ndarray[Any, Any]) -> ConfusionStore:
    frames = [FrameCounts(f"val/a/{n}", each, None) for n, each in enumerate(confusions)]
    return ConfusionStore.of(frames)


stores = arrays(
    np.int64, (3, NUM_LABEL_IDS, NUM_LABEL_IDS), elements=st.integers(0, 3), fill=st.just(0)
).map(lambda confusions: store_of(*confusions))


# --- subsets ----------------------------------------------------------------------------------


def assert_same(left: Scores, right: Scores) -> None:
    ours, theirs = left.to_json(), right.to_json()
    assert ours.pop("confusion") == theirs.pop("confusion")
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], abs=1e-12), name


@unhurried
@given(st.permutations(range(5)), st.integers(0, 9))
def test_the_order_of_frames_changes_no_score(order: list[int], seed: int) -> None:
    store = random_store(seed=seed)
    assert_same(store.scores(np.array(order)), store.scores())


@unhurried
@given(st.lists(st.booleans(), min_size=5, max_size=5), st.integers(0, 9))
def test_the_counts_of_a_subset_and_the_rest_add_up_to_the_whole(
    flags: list[bool], seed: int
) -> None:
    store, chosen = random_store(seed=seed), np.array(flags)
    part, rest, whole = store.scores(chosen), store.scores(~chosen), store.scores()
    assert np.array_equal(part.confusion + rest.confusion, whole.confusion)
    assert part.instances
    assert rest.instances
    assert whole.instances
    weights = part.instances.classes + rest.instances.classes
    assert np.allclose(weights, whole.instances.classes)
    assert_same(part, store.scores(np.flatnonzero(chosen)))


def test_the_scores_of_one_frame_are_its_own() -> None:
    mine = [ROAD_ID, ROAD_ID, SKY_ID, 0], [ROAD_ID, SKY_ID, SKY_ID, SKY_ID]
    store = store_of_maps(mine[::-1], mine, mine[::-1])
    iou = store.scores(np.array([1])).class_iou
    defined = {name: value for name, value in iou.items() if not math.isnan(value)}
    assert defined == {"road": 1 / 2, "sky": 1 / 2}


def test_no_frames_leave_every_score_undefined() -> None:
    for store in ConfusionStore.of([]), random_store():
        scores = store.scores(np.array([], np.intp))
        assert math.isnan(scores.mean_iou)
        assert math.isnan(scores.mean_instance_iou)


# --- frames -----------------------------------------------------------------------------------


@unhurried
@given(stores)
def test_scores_of_a_frame_equal_those_of_its_confusion_for_the_classes_in_it(
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


def test_a_class_that_is_only_predicted_has_no_score_but_lowers_another() -> None:
    scores = frame_scores(store_of_maps(([ROAD_ID, ROAD_ID], [ROAD_ID, CAR_ID])))
    assert scores.class_iou[0, ROAD] == 0.5
    assert math.isnan(scores.class_iou[0, CAR])
    assert scores.mean_iou[0] == 0.5


def test_frames_are_ranked_from_either_end_without_undefined_ones() -> None:
    values = np.array([0.5, math.nan, 0.1, 0.9, 0.1])
    assert rank_frames(values, worst_first=True).tolist() == [2, 4, 0, 3]
    assert rank_frames(values, worst_first=False).tolist() == [3, 0, 2, 4]


def test_confused_frames_are_sorted_by_pixels_and_have_their_share() -> None:
    store = store_of_maps(
        ([ROAD_ID] * 4, [SIDEWALK_ID, ROAD_ID, ROAD_ID, ROAD_ID]),
        ([ROAD_ID] * 4, [ROAD_ID] * 4),
        ([ROAD_ID] * 2 + [CAR_ID] * 2, [SIDEWALK_ID] * 4),
    )
    found = confused_frames(store, ROAD, SIDEWALK)
    assert found == [("val/a/2", 2, 1.0), ("val/a/0", 1, 0.25)]


@unhurried
@given(stores)
def test_confused_frames_together_have_the_pixels_of_the_matrix(
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


def test_a_confusion_is_normalised_by_row_column_or_all_and_undefined_without_pixels() -> None:
    pixels = np.array([[6, 2], [0, 0], [2, 0]])
    nan = math.nan
    of_truth, of_prediction, of_all = (
        normalise_confusion(pixels, "truth"),
        normalise_confusion(pixels, "prediction"),
        normalise_confusion(pixels, "all"),
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


def test_confusion_and_ious_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 5, 13, 18, 255], (40, 60)).astype(np.uint8)
    predicted = np.where(rng.random(truth.shape) < 0.7, truth % 19, rng.integers(0, 14)).astype(
        "u1"
    )
    label_ids = [LABEL_ID_OF_TRAIN_ID[each] for each in (truth, predicted)]
    store = ConfusionStore.of([count_frame("frame", *label_ids)])
    known = truth != 255
    pixels = truth[known], predicted[known]
    expected = metrics.confusion_matrix(*pixels, labels=range(19))
    assert (class_confusion(store.confusion[0].astype(np.int64))[:, :19] == expected).all()
    there = np.union1d(*pixels)
    found = np.array(list(store.scores().class_iou.values()))
    assert found[there] == pytest.approx(metrics.jaccard_score(*pixels, labels=there, average=None))
    assert np.isnan(np.delete(found, there)).all()
    assert store.scores().pixel_accuracy == pytest.approx(metrics.accuracy_score(*pixels))
