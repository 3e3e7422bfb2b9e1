"""Measurements in the background: one at a time for a session, and none that nobody wants."""

import threading
from collections.abc import Callable, Iterator

import pytest
from waiting import PATIENCE_SECONDS

from cityseg.estimates import StepCost
from cityseg.ui.train.measurements import forget_all, want

COST = StepCost(1, 2, 3, 4)


@pytest.fixture(autouse=True)
def nothing_measured() -> Iterator[None]:
    forget_all()
    yield
    forget_all()


def test_a_measurement_is_taken_once_for_all_sessions() -> None:
    taken = []

    def measure(is_wanted: Callable[[], bool]) -> StepCost:
        taken.append(is_wanted())
        return COST

    assert want("one", "cost", {"width": 2}, measure).result(60) == COST
    assert want("two", "cost", {"width": 2}, measure).result(60) == COST
    assert taken == [True]


def test_a_superseded_measurement_is_ended_and_the_next_begins() -> None:
    begun = threading.Event()

    def measure_until_unwanted(is_wanted: Callable[[], bool]) -> StepCost:
        begun.set()
        while is_wanted():
            begun.wait(0.01)
        raise InterruptedError

    old = want("one", "trial", {"width": 2}, measure_until_unwanted)
    assert begun.wait(PATIENCE_SECONDS)
    queued = want("one", "trial", {"width": 3}, lambda is_wanted: COST)
    assert want("one", "trial", {"width": 4}, lambda is_wanted: COST).result(60) == COST
    assert isinstance(old.exception(60), InterruptedError)
    assert queued.cancelled()


def test_a_measurement_that_another_session_wants_continues() -> None:
    may_end = threading.Event()

    def measure(is_wanted: Callable[[], bool]) -> StepCost:
        assert may_end.wait(PATIENCE_SECONDS)
        assert is_wanted()
        return COST

    shared = want("one", "trial", {"width": 2}, measure)
    want("two", "trial", {"width": 2}, measure)
    want("one", "trial", {"width": 3}, lambda is_wanted: COST)
    may_end.set()
    assert shared.result(60) == COST
