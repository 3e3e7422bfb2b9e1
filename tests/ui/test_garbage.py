"""What the search for garbage leaves out."""

import gc
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from cityseg.ui import garbage


@pytest.fixture(autouse=True)
def _thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "_spared", 0)
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
