"""Objects are painted from back to front."""

import pytest

from cityseg.sample.scene.layout import Thing, painting_order


def thing(left: float, right: float, near: float, far: float) -> Thing:
    return Thing(left, right, near, far, paint=lambda canvas: None)


def test_the_nearer_thing_covers_the_farther() -> None:
    near, far = thing(-1, 1, 5, 6), thing(-1, 1, 20, 24)
    assert painting_order([near, far], bend=0) == [far, near]


@pytest.mark.parametrize("side", [-1, 1])
def test_a_car_covers_the_house_it_stands_before(side: int) -> None:
    house = thing(*sorted((side * 8.0, side * 18.0)), 5, 30)
    car = thing(*sorted((side * 4.0, side * 6.0)), 24, 28)
    assert painting_order([car, house], bend=0) == [house, car]


def test_a_bend_decides_which_side_is_seen() -> None:
    # Far round a bend to the right, one looks from the left at what lies on the right of the path.
    inner, outer = thing(1, 2, 98, 102), thing(6, 7, 98, 102)
    assert painting_order([inner, outer], bend=0) == [outer, inner]
    assert painting_order([inner, outer], bend=1 / 200) == [inner, outer]
