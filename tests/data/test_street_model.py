"""A street fits the encoding in which it is written, and a tool's own numbers fit none."""

import city
import numpy as np
import pytest
from encoded import OWN_NUMBERS, WRITTEN

from cityseg.data.encodings import GREY_ENCODINGS
from cityseg.data.street_model import NOTHING_SEEN, fits, part_of, seen_in

STREETS = [city.street(seed=seed) for seed in range(20)]


@pytest.mark.parametrize("encoding", GREY_ENCODINGS)
def test_a_street_fits_best_and_well_in_the_encoding_in_which_it_is_written(encoding):
    for street in STREETS:
        found = fits(seen_in(WRITTEN[encoding](street)))
        best, *others = found
        assert best == encoding
        assert found[best] > 3 + max((found[other] for other in others), default=-np.inf)
        assert found[best] > 0


@pytest.mark.parametrize("name", OWN_NUMBERS)
def test_other_numbers_of_the_same_labels_fit_no_encoding(name):
    for street in STREETS:
        assert max(fits(seen_in(OWN_NUMBERS[name][street])).values(), default=-np.inf) < -2


def test_shuffled_labels_fit_no_encoding():
    rng = np.random.default_rng(0)
    for street in STREETS:
        shuffled = rng.permutation(34).astype(np.uint8)[street]
        assert max(fits(seen_in(shuffled)).values()) < -2


def test_the_lower_half_of_streets_fits_its_encoding():
    for street in STREETS:
        half = street[len(street) // 2 - 8 :]
        assert next(iter(fits(seen_in(half)))) == "labelids"


def test_values_of_no_encoding_have_no_fit():
    assert fits(seen_in(np.full((64, 64), 200, np.uint8))) == {}


def test_maps_add_up():
    seen = sum((seen_in(street) for street in STREETS[:3]), NOTHING_SEEN)
    road = np.mean([(street == city.ROAD).mean() for street in STREETS[:3]])
    assert seen.count == 3
    assert seen.pixels[city.ROAD] / seen.count == pytest.approx(road, rel=0.01)
    assert 0.5 < seen.mean_rows[city.ROAD] < 1


def test_some_rows_and_columns_of_large_maps_are_looked_at():
    assert part_of(np.zeros((1024, 2048), np.uint8)).shape == (128, 128)
    assert part_of(np.zeros((100, 300), np.uint8)).shape == (100, 150)
