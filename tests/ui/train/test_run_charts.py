"""Smoothing of curves."""

import pytest

from cityseg.ui.train.run_charts import smoothed


def test_without_weight_nothing_is_changed() -> None:
    assert smoothed([1.0, None, 3.0], 0.0) == [1.0, None, 3.0]


def test_a_constant_stays_one_from_its_first_value_on() -> None:
    assert smoothed([0.4] * 5, 0.9) == pytest.approx([0.4] * 5)


def test_each_value_weighs_more_than_the_one_before() -> None:
    assert smoothed([0.0, 1.0], 0.5) == pytest.approx([0.0, 2 / 3])
