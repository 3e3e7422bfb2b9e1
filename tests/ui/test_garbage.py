"""What the search for garbage leaves out."""

import gc
import sys
import weakref
from collections.abc import Iterator
from types import ModuleType

import pytest

from cityseg.ui import garbage


@pytest.fixture(autouse=True)
def _thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "_spared", 0)
    monkeypatch.setattr(garbage, "_again", 0.0)
    yield
    gc.unfreeze()


def is_searched(sought: object) -> bool:
    return any(each is sought for each in gc.get_objects())


def test_objects_of_libraries_are_not_searched() -> None:
    garbage.spare_libraries()
    assert not is_searched(pytest.MonkeyPatch)


def test_objects_that_came_later_are_searched_until_modules_are_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    garbage.spare_libraries()
    late: list[object] = []
    garbage.spare_libraries()
    assert is_searched(late)
    for number in range(100):
        monkeypatch.setitem(sys.modules, f"imported_{number}", ModuleType(f"imported_{number}"))
    garbage.spare_libraries()
    assert not is_searched(late)


def test_what_was_left_out_and_became_garbage_is_found_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = type("Session", (), {})()
    session.itself = session
    alive = weakref.ref(session)
    garbage.spare_libraries()
    del session
    gc.collect()
    assert alive()
    monkeypatch.setattr(garbage, "_again", 0.0)
    garbage.spare_libraries()
    assert not alive()
