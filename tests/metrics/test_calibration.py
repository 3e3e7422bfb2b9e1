"""Calibration from counts, against sums over single pixels and cases that can be checked by eye."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE
from cityseg.metrics.calibration import (
    CONFIDENCE_BINS,
    ConfidenceCounts,
    answered_confusion,
    class_calibration,
    confidence_counts,
    reliability,
    risk_coverage,
)
from cityseg.metrics.components import find_overlaps


def count(truth: np.ndarray, predicted: np.ndarray, level: np.ndarray) -> ConfidenceCounts:
    return confidence_counts(find_overlaps(truth, predicted), level)


@st.composite
def frames(draw):
    """Truth, prediction and confidence of some pixels, at least one of them evaluated."""
    size = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=10))
    truth = draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 18, IGNORE])))
    truth[0, 0] = 0
    predicted = draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 18])))
    return truth, predicted, draw(hnp.arrays(np.uint8, size, elements=st.integers(0, 255)))


def expected_error(right: np.ndarray, level: np.ndarray) -> float:
    """The expected calibration error as it is defined, from single pixels."""
    total = 0.0
    for index in range(CONFIDENCE_BINS):
        inside = level // (256 // CONFIDENCE_BINS) == index
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - (level[inside] / 255).mean())
    return total / right.size


@given(frames())
def test_the_error_is_that_of_the_single_pixels(frame) -> None:
    truth, predicted, level = frame
    counts = count(*frame)
    evaluated = truth != IGNORE
    right = (truth == predicted)[evaluated]
    assert reliability(counts).error == pytest.approx(expected_error(right, level[evaluated]))
    for train_id in (0, 1, 18):
        chosen = evaluated & (predicted == train_id)
        error = reliability(counts, train_id).error
        if chosen.any():
            expected = expected_error((truth == predicted)[chosen], level[chosen])
            assert error == pytest.approx(expected)
        else:
            assert math.isnan(error)


@given(frames())
def test_each_class_has_its_own_calibration(frame) -> None:
    truth, predicted, level = frame
    found = class_calibration(count(*frame))
    for train_id in range(19):
        chosen = (truth != IGNORE) & (predicted == train_id)
        assert found.pixels[train_id] == chosen.sum()
        own = [float(part[train_id]) for part in found[1:]]
        if chosen.any():
            right = (truth == predicted)[chosen]
            error = expected_error(right, level[chosen])
            assert own == pytest.approx([right.mean(), level[chosen].mean() / 255, error])
        else:
            assert all(map(math.isnan, own))


@given(frames(), frames())
def test_counts_add_up(one, two) -> None:
    both = [np.concatenate([a.ravel(), b.ravel()])[None] for a, b in zip(one, two, strict=True)]
    added = count(*one) + count(*two)
    together = count(*both)
    assert (added.histogram == together.histogram).all()
    assert (added.confidence == together.confidence).all()


def test_a_network_that_is_as_right_as_it_is_sure_has_no_error() -> None:
    truth = np.array([[0, 0, 0, 1, 1]], np.uint8)  # 3 of 5 are right
    counts = count(truth, np.zeros_like(truth), np.full_like(truth, round(255 * 3 / 5)))
    found = reliability(counts)
    assert found.error == 0
    assert found.pixels.sum() == 5
    assert found.accuracy[~np.isnan(found.accuracy)].tolist() == [0.6]
    assert found.confidence[~np.isnan(found.confidence)].tolist() == [0.6]


def test_risk_falls_to_zero_where_the_sure_pixels_are_right() -> None:
    truth, predicted = np.array([[0, 0, 0, 1]], np.uint8), np.zeros((1, 4), np.uint8)
    curve = risk_coverage(
        count(truth, predicted, np.array([[250, 250, 250, 10]], np.uint8)).histogram
    )
    assert curve.coverage[0] == 0
    assert math.isnan(curve.risk[0])
    assert (curve.coverage[1], curve.risk[1]) == (0.75, 0)
    assert (curve.coverage[-1], curve.risk[-1]) == (1, 0.25)
    assert curve.excess_area == pytest.approx(0)
    assert curve.area == pytest.approx(0.25 + 0.75 * math.log(0.75))


def test_a_confidence_that_says_nothing_has_the_same_risk_everywhere() -> None:
    truth, predicted = np.array([[0, 0, 0, 1]], np.uint8), np.zeros((1, 4), np.uint8)
    counts = count(truth, predicted, np.full((1, 4), 200, np.uint8))
    assert risk_coverage(counts.histogram).area == pytest.approx(0.25)


def test_without_a_pixel_all_is_undefined() -> None:
    nothing = np.full((1, 1), IGNORE, np.uint8)
    counts = count(nothing, nothing, nothing)
    assert math.isnan(reliability(counts).error)
    assert math.isnan(risk_coverage(counts.histogram).area)


@given(frames(), st.integers(0, CONFIDENCE_BINS))
def test_answers_above_a_threshold_are_those_of_the_single_pixels(frame, edge) -> None:
    truth, predicted, level = frame
    answered = (truth != IGNORE) & (level >= edge * 256 // CONFIDENCE_BINS)
    confusion = answered_confusion(count(*frame).histogram, edge / CONFIDENCE_BINS)
    assert confusion.sum() == answered.sum()
    assert confusion[0, 1] == np.count_nonzero(answered & (truth == 0) & (predicted == 1))


# --- second opinions -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, prediction and confidence of 4,000 pixels, of which too few are right."""
    rng = np.random.default_rng(0)
    # Below 20 another class would be more probable; torchmetrics has a bin of its own for 255.
    level = rng.integers(20, 255, (40, 100)).astype(np.uint8)
    predicted = rng.integers(0, 19, level.shape).astype(np.uint8)
    is_right = rng.random(level.shape) < (level / 255) ** 2
    truth = np.where(is_right, predicted, (predicted + 1) % 19).astype(np.uint8)
    truth[:2] = IGNORE
    return truth, predicted, level


def probabilities_of(predicted: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(N, 19): the confidence for the predicted class, the rest evenly for the others."""
    confidence = level.ravel() / 255
    probabilities = np.repeat((1 - confidence)[:, None] / 18, 19, axis=1)
    probabilities[np.arange(confidence.size), predicted.ravel()] = confidence
    return probabilities


def test_the_calibration_error_is_that_of_torchmetrics(judged) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    truth, predicted, level = judged
    expected = functional.multiclass_calibration_error(
        torch.from_numpy(probabilities_of(predicted, level)),
        torch.from_numpy(truth.ravel()).long(),
        num_classes=19,
        n_bins=CONFIDENCE_BINS,
        norm="l1",
        ignore_index=IGNORE,
    )
    found = reliability(count(*judged)).error
    assert 0.1 < found == pytest.approx(float(expected), abs=1e-6)


def test_the_calibration_error_of_each_class_is_that_of_torchmetrics(judged) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    truth, predicted, level = judged
    found = class_calibration(count(*judged)).error
    for train_id in range(19):
        chosen = (truth != IGNORE) & (predicted == train_id)
        # Being right is the event that the confidence is the probability of.
        expected = functional.binary_calibration_error(
            torch.from_numpy(level[chosen] / 255),
            torch.from_numpy((truth == predicted)[chosen]).long(),
            n_bins=CONFIDENCE_BINS,
            norm="l1",
        )
        assert found[train_id] == pytest.approx(float(expected), abs=1e-6)


def test_the_curve_of_reliability_is_that_of_scikit_learn(judged) -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    truth, predicted, level = judged
    evaluated = truth != IGNORE
    right, confidence = (truth == predicted)[evaluated], level[evaluated] / 255
    accuracy, mean = calibration.calibration_curve(right, confidence, n_bins=CONFIDENCE_BINS)
    found = reliability(count(*judged))
    filled = found.pixels > 0
    assert found.accuracy[filled] == pytest.approx(accuracy)
    assert found.confidence[filled] == pytest.approx(mean)


def test_risk_and_coverage_are_those_of_thresholds_on_single_pixels(judged) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth, predicted, level = judged
    evaluated = truth != IGNORE
    right, confidence = (truth == predicted)[evaluated], level[evaluated]
    curve = risk_coverage(count(*judged).histogram)
    for index in range(1, CONFIDENCE_BINS + 1):
        answered = confidence >= 256 - index * (256 // CONFIDENCE_BINS)
        assert curve.coverage[index] == pytest.approx(answered.mean())
        if answered.any():
            risk = 1 - metrics.accuracy_score(right[answered], np.ones(answered.sum(), bool))
            assert curve.risk[index] == pytest.approx(risk)
    defined = ~np.isnan(curve.risk)
    rough = metrics.auc(curve.coverage[defined], curve.risk[defined])
    assert curve.area == pytest.approx(rough, abs=0.005)
