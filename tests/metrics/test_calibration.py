"""Calibration from counts, against sums over single pixels and cases that can be checked by eye."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE
from cityseg.metrics.calibration import (
    CONFIDENCE_BINS,
    answered_confusion,
    confidence_counts,
    reliability,
    risk_coverage,
)


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
    counts = confidence_counts(*frame)
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


@given(frames(), frames())
def test_counts_add_up(one, two) -> None:
    both = [np.concatenate([a.ravel(), b.ravel()])[None] for a, b in zip(one, two, strict=True)]
    added = confidence_counts(*one) + confidence_counts(*two)
    together = confidence_counts(*both)
    assert (added.histogram == together.histogram).all()
    assert (added.confidence == together.confidence).all()


def test_a_network_that_is_as_right_as_it_is_sure_has_no_error() -> None:
    truth = np.array([[0, 0, 0, 1, 1]], np.uint8)  # 3 of 5 are right
    counts = confidence_counts(truth, np.zeros_like(truth), np.full_like(truth, round(255 * 3 / 5)))
    found = reliability(counts)
    assert found.error == 0
    assert found.pixels.sum() == 5
    assert found.accuracy[~np.isnan(found.accuracy)].tolist() == [0.6]
    assert found.confidence[~np.isnan(found.confidence)].tolist() == [0.6]


def test_risk_falls_to_zero_where_the_sure_pixels_are_right() -> None:
    truth, predicted = np.array([[0, 0, 0, 1]], np.uint8), np.zeros((1, 4), np.uint8)
    curve = risk_coverage(
        confidence_counts(truth, predicted, np.array([[250, 250, 250, 10]], np.uint8)).histogram
    )
    assert curve.coverage[0] == 0
    assert math.isnan(curve.risk[0])
    assert (curve.coverage[1], curve.risk[1]) == (0.75, 0)
    assert (curve.coverage[-1], curve.risk[-1]) == (1, 0.25)
    assert curve.excess_area == pytest.approx(0)
    assert curve.area == pytest.approx(0.25 + 0.75 * math.log(0.75))


def test_a_confidence_that_says_nothing_has_the_same_risk_everywhere() -> None:
    truth, predicted = np.array([[0, 0, 0, 1]], np.uint8), np.zeros((1, 4), np.uint8)
    counts = confidence_counts(truth, predicted, np.full((1, 4), 200, np.uint8))
    assert risk_coverage(counts.histogram).area == pytest.approx(0.25)


def test_without_a_pixel_all_is_undefined() -> None:
    nothing = np.full((1, 1), IGNORE, np.uint8)
    counts = confidence_counts(nothing, nothing, nothing)
    assert math.isnan(reliability(counts).error)
    assert math.isnan(risk_coverage(counts.histogram).area)


@given(frames(), st.integers(0, CONFIDENCE_BINS))
def test_answers_above_a_threshold_are_those_of_the_single_pixels(frame, edge) -> None:
    truth, predicted, level = frame
    answered = (truth != IGNORE) & (level >= edge * 256 // CONFIDENCE_BINS)
    confusion = answered_confusion(confidence_counts(*frame).histogram, edge / CONFIDENCE_BINS)
    assert confusion.sum() == answered.sum()
    assert confusion[0, 1] == np.count_nonzero(answered & (truth == 0) & (predicted == 1))
