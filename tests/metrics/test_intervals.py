"""Scores of weighted sets of frames: those of the same frames counted directly."""

import math

import numpy as np
import pytest

from cityseg.labels import NUM_CLASSES
from cityseg.metrics import (
    ConfidenceCounts,
    FrameScores,
    FrameSums,
    boundary_iou,
    class_intervals,
    frame_means,
    mean_iou_difference,
    mean_iou_interval,
    reliability,
    sampled_scores,
    score_differences,
    score_intervals,
)
from cityseg.metrics.intervals import scores_of_sets


def sums_of(frames: int, seed: int = 0) -> FrameSums:
    """Random sums, with frames and classes in which nothing is defined."""
    rng = np.random.default_rng(seed)
    hits = rng.integers(0, 50, (frames, NUM_CLASSES)).astype(np.float64)
    union = hits + rng.integers(0, 50, hits.shape)
    class_iou = rng.random(hits.shape)
    class_iou[rng.random(hits.shape) < 0.3] = np.nan
    class_iou[:, 16] = np.nan
    class_iou[0] = np.nan
    defined = (~np.isnan(class_iou)).sum(axis=1)
    mean_iou = np.nansum(class_iou, axis=1) / np.where(defined, defined, np.nan)
    both = rng.integers(0, 9, (frames, NUM_CLASSES, 1))
    boundary = np.concatenate([both + rng.integers(0, 9, (frames, NUM_CLASSES, 2)), both], axis=2)
    bins = np.sort(rng.integers(0, 90, (frames, 32, 3)), axis=2)[:, :, ::-1]
    instances = rng.integers(0, 9, (frames, 8, 3)).astype(np.float64)
    has_instances = np.arange(frames) % 2.0
    arrays = boundary.astype(np.float64), instances, has_instances, bins.astype(np.float64)
    return FrameSums(hits, union, mean_iou, class_iou, *arrays)


def test_a_weight_of_two_is_the_frame_twice() -> None:
    sums = sums_of(6)
    weights = np.array([[2.0, 0, 1, 0, 3, 0]])
    repeated = sums.of(np.array([0, 0, 2, 4, 4, 4]))
    one, other = scores_of_sets(sums, weights), scores_of_sets(repeated, np.ones((1, 6)))
    for name, values in one.overall.items():
        assert values == pytest.approx(other.overall[name], nan_ok=True), name
    for name, values in one.by_class.items():
        np.testing.assert_allclose(values, other.by_class[name], err_msg=name)


def test_means_and_worst_frames_are_those_of_frame_means() -> None:
    sums = sums_of(41)
    means = frame_means(FrameScores(sums.mean_iou, sums.mean_iou, sums.class_iou))
    whole = {name: each.score for name, each in score_intervals(sampled_scores(sums)).items()}
    assert whole["frame_iou"] == pytest.approx(means.by_frame)
    assert whole["class_frame_iou"] == pytest.approx(means.by_class)
    worst = [whole["worst_1"], whole["worst_5"], whole["worst_10"]]
    assert worst == pytest.approx(list(means.worst.values()))


def test_boundary_iou_and_calibration_are_those_of_the_sums() -> None:
    sums = sums_of(5)
    whole = sampled_scores(sums, repeats=1).whole.overall
    boundary = boundary_iou(sums.boundary.sum(axis=0).astype(np.int64))
    assert whole["boundary_iou"][0] == pytest.approx(np.nanmean(boundary))
    pixels, right, confidence = sums.bins.sum(axis=0).T
    histogram = np.zeros((19, 19, 32), np.int64)
    histogram[0, 0], histogram[1, 0] = right, pixels - right
    levels = np.zeros((19, 32), np.int64)
    levels[0] = confidence * 255
    error = reliability(ConfidenceCounts(histogram, levels)).error
    assert whole["calibration_error"][0] == pytest.approx(error)


def test_without_an_instance_map_no_instance_score_is_defined() -> None:
    sums = sums_of(4)
    without = sampled_scores(sums.of(np.array([0, 2])), repeats=3)
    assert math.isnan(without.whole.overall["instance_iou"][0])
    assert np.isnan(without.drawn.by_class["instance_iou"]).all()
    assert not np.isnan(sampled_scores(sums, repeats=3).whole.overall["instance_iou"]).any()


def confusions_of(sums: FrameSums) -> np.ndarray:
    """(N, 19, 20) confusions with these hits and unions."""
    confusions = np.zeros((len(sums.hits), 19, 20), np.int64)
    for each in range(19):
        confusions[:, each, each] = sums.hits[:, each]
    confusions[:, :, 19] = sums.union - sums.hits
    return confusions


def test_mean_iou_has_the_interval_of_its_own_bootstrap() -> None:
    one, two = sums_of(12), sums_of(12, seed=1)
    samples = sampled_scores(one), sampled_scores(two)
    expected = mean_iou_interval(confusions_of(one))
    assert score_intervals(samples[0])["mean_iou"] == pytest.approx(expected)
    paired = mean_iou_difference(confusions_of(one), confusions_of(two))
    assert score_differences(*samples)["mean_iou"] == pytest.approx(paired)


def test_a_class_that_never_occurs_has_no_interval() -> None:
    intervals = class_intervals(sampled_scores(sums_of(8), repeats=20), "frame_iou")
    assert all(math.isnan(bound) for bound in intervals[16])
    assert intervals[0].low < intervals[0].score < intervals[0].high


def test_without_frames_all_is_undefined() -> None:
    intervals = score_intervals(sampled_scores(sums_of(1).of(np.array([], np.int64)), repeats=5))
    assert all(math.isnan(bound) for each in intervals.values() for bound in each)
