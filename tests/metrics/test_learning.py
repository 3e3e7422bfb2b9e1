"""When pixels were learned: against a walk through the predictions of each single pixel."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.metrics.learning import (
    count_forgotten,
    follow_learning,
    learned_shares,
    pack_right,
)

VALUES = st.sampled_from([0, 1, 18, IGNORE])


@st.composite
def runs(draw):
    """(E, H, W) predictions and the (H, W) truth."""
    count = draw(st.integers(1, 6))
    size = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    predictions = draw(hnp.arrays(np.uint8, (count, *size), elements=VALUES))
    return predictions, draw(hnp.arrays(np.uint8, size, elements=VALUES))


def of_pixel(predictions: list[int], truth: int) -> tuple[int, int]:
    if truth == IGNORE:
        return -1, -1
    right = [predicted == truth for predicted in predictions]
    learned = next(at for at in range(len(right) + 1) if all(right[at:]))
    return learned, sum(a and not b for a, b in pairwise(right))


@given(runs())
def test_each_pixel_is_as_a_walk_through_its_predictions_finds_it(run) -> None:
    predictions, truth = run
    learned, forgotten = follow_learning(iter(predictions), truth)
    for at in np.ndindex(truth.shape):
        expected = of_pixel(predictions[(slice(None), *at)].tolist(), int(truth[at]))
        assert (learned[at], forgotten[at]) == expected


@given(runs())
def test_shares_count_the_pixels_that_are_right_from_then_on(run) -> None:
    predictions, truth = run
    learned, _ = follow_learning(predictions, truth)
    shares = learned_shares(learned, truth, len(predictions))
    assert shares.shape == (len(predictions), NUM_CLASSES)
    for (position, train_id), share in np.ndenumerate(shares):
        of_class = truth == train_id
        known = (predictions[position:] == train_id).all(axis=0)
        expected = known[of_class].mean() if of_class.any() else np.nan
        np.testing.assert_allclose(share, expected)


@given(st.integers(1, 6), st.integers(0, 2**32))
def test_packed_predictions_were_forgotten_as_often(count, seed) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 1, IGNORE], (3, 5)).astype(np.uint8)
    predictions = rng.integers(0, 2, (count, 3, 5), np.uint8)
    packed = np.stack([pack_right(each, truth) for each in predictions])
    expected = follow_learning(predictions, truth).forgotten
    assert (count_forgotten(packed, truth) == expected).all()
