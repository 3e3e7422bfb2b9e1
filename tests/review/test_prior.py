"""What is usual in a dataset: counts over maps, and without one of them."""

import numpy as np

from cityseg.review.prior import CELLS_HW, cells_of, island_pixels, prior_of, without
from cityseg.review.shapes import shapes_of

ROAD, SKY, CAR = 7, 23, 26


def street(car: bool) -> np.ndarray:
    label_ids = np.full((32, 64), ROAD, np.uint8)
    label_ids[:16] = SKY
    if car:
        label_ids[20:23, 30:34] = CAR
    return label_ids


def test_frames_pairs_and_islands_are_counted() -> None:
    prior = prior_of(street(car=number < 3) for number in range(10))
    assert prior.frames == 10
    assert prior.present[[ROAD, SKY, CAR]].tolist() == [10, 10, 3]
    assert prior.together[ROAD, CAR] == prior.together[CAR, ROAD] == 3
    assert prior.touching[ROAD, SKY] == 10
    assert prior.touching[SKY, CAR] == 0
    assert prior.islands[CAR, ROAD] == 3
    assert prior.islands.sum() == 3
    assert prior.thin[ROAD].tolist() == [10, 0]


def test_what_stands_on_the_ground_may_be_lower_and_the_sky_may_not() -> None:
    prior = prior_of(street(car=True) for _ in range(5))
    at_bottom = prior.cells[:, -1, 16]
    assert at_bottom[CAR] > 0.2
    assert prior.cells[CAR, 0, 16] == 0
    assert at_bottom[SKY] == 0
    assert prior.cells.max() <= 1


def test_a_map_is_left_out_again() -> None:
    maps = [street(car=False), street(car=False), street(car=True)]
    rest = without(prior_of(maps), shapes_of(maps[2]), maps[2])
    wanted = prior_of(maps[:2])
    for name in ("present", "together", "touching", "islands"):
        assert np.array_equal(getattr(rest, name), getattr(wanted, name)), name


def test_cells_of_a_map() -> None:
    cells = cells_of(street(car=False))
    half = CELLS_HW[0] // 2
    assert cells[SKY, :half].all()
    assert not cells[SKY, half:].any()
    assert island_pixels(64 * 128) == 16
    assert island_pixels(1024 * 2048) == 1024 * 2048 / 1000
