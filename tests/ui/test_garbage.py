"""What the search for garbage leaves out."""

import gc
import weakref

import pytest

from cityseg.ui import garbage


@pytest.fixture(autouse=True)
def _as_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_is_costly", False)
    monkeypatch.setattr(garbage, "_spared_at", float("-inf"))
    monkeypatch.setattr(garbage, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(garbage, "_COSTLY_SECONDS", float("inf"))


def is_searched(sought: object) -> bool:
    return any(each is sought for each in gc.get_objects())


def test_objects_of_libraries_are_not_searched() -> None:
    gc.unfreeze()
    assert is_searched(pytest.MonkeyPatch)
    garbage.spare_what_stays()
    assert not is_searched(pytest.MonkeyPatch)


def test_objects_that_came_later_are_searched_until_that_is_costly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    garbage.spare_what_stays()
    late: list[object] = []
    gc.collect()
    garbage.spare_what_stays()
    assert is_searched(late)
    monkeypatch.setattr(garbage, "_COSTLY_SECONDS", 0.0)
    gc.collect()
    garbage.spare_what_stays()
    assert not is_searched(late)


def test_what_was_left_out_and_became_garbage_is_found_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = type("Session", (), {})()
    session.itself = session
    alive = weakref.ref(session)
    garbage.spare_what_stays()
    del session
    gc.collect()
    assert alive()
    monkeypatch.setattr(garbage, "_MOST_SECONDS", 0.0)
    garbage.spare_what_stays()
    assert not alive()
