"""mPC and rPC of cases to check by hand."""

import numpy as np
import pytest

from cityseg.corruption import Corruption
from cityseg.metrics.robustness import ROBUSTNESS_ROWS, robustness


def confusion(*, road_hits: int, car_hits: int) -> np.ndarray:
    """Of 10 pixels of road and 10 of car, those that are not right are predicted as ignored."""
    counts = np.zeros((19, 20), np.int64)
    for row, hits in ((0, road_hits), (13, car_hits)):
        counts[row, row], counts[row, 19] = hits, 10 - hits
    return counts


def test_severities_are_averaged_first_and_then_the_corruptions() -> None:
    found = robustness(
        confusion(road_hits=10, car_hits=8),
        {
            Corruption("fog", 1): confusion(road_hits=8, car_hits=8),
            Corruption("fog", 5): confusion(road_hits=4, car_hits=0),
            Corruption("rain", 3): confusion(road_hits=10, car_hits=6),
        },
    )
    rows = [ROBUSTNESS_ROWS.index(name) for name in ("road", "car", "mean")]
    assert found.clean[rows] == pytest.approx([1, 0.8, 0.9])
    assert found.by_corruption["fog"][rows] == pytest.approx([0.6, 0.4, 0.5])
    assert found.mpc[rows] == pytest.approx([0.8, 0.5, 0.65])
    assert found.rpc[rows] == pytest.approx([0.8, 0.625, 0.65 / 0.9])
    assert np.isnan(found.rpc[ROBUSTNESS_ROWS.index("sky")])


def test_without_a_corruption_there_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="No corruption"):
        robustness(confusion(road_hits=1, car_hits=1), {})
