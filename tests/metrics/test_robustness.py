"""mPC and rPC of cases to check by hand."""

import numpy as np
import pytest

from cityseg.corruption import Corruption
from cityseg.metrics.robustness import LEAST_CLEAN_IOU, ROBUSTNESS_ROWS, robustness


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


@pytest.mark.parametrize(("hits", "relative"), [(4, np.nan), (5, 2.0)])
def test_the_relative_score_of_a_class_that_was_hardly_found_is_undefined(hits, relative) -> None:
    counts = np.zeros((2, 19, 20), np.int64)
    counts[:, 0, 0] = 100  # road
    counts[:, 13, 13] = hits, 2 * hits  # car, of 100 pixels
    counts[:, 13, 19] = 100 - counts[:, 13, 13]
    found = robustness(counts[0], {Corruption("fog", 1): counts[1]})
    assert LEAST_CLEAN_IOU == 0.05
    assert found.rpc[13] == pytest.approx(relative, nan_ok=True)
    assert found.rpc[[0, -1]] == pytest.approx([1, (1 + hits / 50) / (1 + hits / 100)])


def test_without_a_corruption_there_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="No corruption"):
        robustness(confusion(road_hits=1, car_hits=1), {})
