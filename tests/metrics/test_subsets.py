"""Means over frames and intervals of scores, on sets small enough to check by eye."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import NUM_CLASSES
from cityseg.metrics import (
    ConfusionStore,
    FrameCounts,
    FrameScores,
    frame_scores,
    scores_from_train_confusion,
)
from cityseg.metrics.subsets import frame_means, mean_iou_difference, mean_iou_interval

NAN = math.nan


def scores_of(class_iou: list[list[float]]) -> FrameScores:
    rows = np.full((len(class_iou), NUM_CLASSES), NAN)
    rows[:, : len(class_iou[0])] = class_iou
    counted = (~np.isnan(rows)).sum(axis=1)
    means = np.where(counted, np.nansum(rows, axis=1) / np.maximum(counted, 1), NAN)
    return FrameScores(means, means, rows)


def test_means_by_frame_and_by_class_differ_where_classes_are_missing() -> None:
    means = frame_means(scores_of([[1.0, 0.5], [0.4, NAN]]))
    assert means.by_frame == pytest.approx((0.75 + 0.4) / 2)
    assert means.by_class == pytest.approx((0.7 + 0.5) / 2)
    assert means.worst == dict.fromkeys((0.01, 0.05, 0.10), pytest.approx(0.4))


def test_the_worst_share_is_rounded_down_to_frames() -> None:
    means = frame_means(scores_of([[index / 100] for index in range(39)]))
    assert means.worst[0.10] == pytest.approx((0 + 0.01 + 0.02) / 3)


def test_frames_without_an_evaluated_pixel_take_no_part() -> None:
    assert frame_means(scores_of([[0.5], [NAN]])).by_frame == 0.5
    assert math.isnan(frame_means(scores_of([[NAN]])).by_frame)


def test_the_scores_of_frames_and_their_means_by_hand() -> None:
    road, car, sky = 0, 13, 10
    first, second = np.zeros((2, 19, 20), np.int64)
    first[road, road], first[car, car], first[car, road] = 6, 2, 2  # road 6/8, car 2/4
    second[road, road], second[road, sky] = 5, 5  # road 5/10; sky is not in the truth: inactive
    names = ["first", "second"]
    store = ConfusionStore.of(
        [
            FrameCounts(name, scores_from_train_confusion(each).confusion, None)
            for name, each in zip(names, (first, second), strict=True)
        ]
    )
    frames = frame_scores(store)
    assert frames.mean_iou.tolist() == [(6 / 8 + 2 / 4) / 2, 5 / 10]
    means = frame_means(frames)
    assert means.by_frame == (0.625 + 0.5) / 2
    assert means.by_class == pytest.approx(((0.75 + 0.5) / 2 + 0.5) / 2)
    assert means.worst[0.01] == 0.5
    # Of both frames together: road 11/18, car 2/4, sky 0/5.
    assert store.scores().mean_iou == pytest.approx((11 / 18 + 0.5 + 0) / 3)


CONFUSIONS = hnp.arrays(
    np.int64, st.tuples(st.integers(1, 6), st.just(19), st.just(20)), elements=st.integers(0, 3)
)


@given(CONFUSIONS)
def test_the_score_of_an_interval_is_that_of_all_frames(confusions) -> None:
    interval = mean_iou_interval(confusions, repeats=20)
    whole = scores_from_train_confusion(confusions.sum(axis=0)).mean_iou
    assert interval.score == pytest.approx(whole, nan_ok=True)


def frames_with(right: list[int], of: int = 100) -> np.ndarray:
    """Confusions of frames with two classes, of which the first has so many right pixels."""
    confusions = np.zeros((len(right), 19, 19), np.int64)
    confusions[:, 1, 1] = of
    confusions[:, 0, 0] = right
    confusions[:, 0, 1] = of - np.array(right)
    return confusions


def test_an_interval_holds_the_score_and_narrows_with_more_frames() -> None:
    few, many = (mean_iou_interval(frames_with([20, 50, 80] * times)) for times in (2, 50))
    for interval in (few, many):
        assert interval.low < interval.score < interval.high
    assert many.high - many.low < (few.high - few.low) / 3


def test_equal_frames_leave_no_doubt() -> None:
    interval = mean_iou_interval(frames_with([50] * 5))
    assert interval.low == interval.score == interval.high


def test_a_paired_difference_is_surer_than_two_scores() -> None:
    right = [10, 30, 50, 70, 90] * 4
    one, two = frames_with(right), frames_with([each + 5 for each in right])
    difference = mean_iou_difference(one, two)
    alone = mean_iou_interval(one)
    assert 0 < difference.low < difference.score < difference.high
    assert difference.high - difference.low < (alone.high - alone.low) / 5


def test_without_frames_all_is_undefined() -> None:
    assert all(math.isnan(each) for each in mean_iou_interval(np.zeros((0, 19, 20), np.int64)))
