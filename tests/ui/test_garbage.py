"""What the search for garbage leaves out."""

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from waiting import until

from cityseg.ui import garbage


@pytest.fixture(autouse=True)
def _as_at_the_start(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "_is_costly", False)
    monkeypatch.setattr(garbage, "_spared_at", float("-inf"))
    monkeypatch.setattr(garbage, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(garbage, "_COSTLY_SECONDS", float("inf"))
    garbage.stop_sparing()  # that of another test in this process
    gc.callbacks.append(garbage._watch)
    yield
    gc.callbacks.remove(garbage._watch)


def is_searched(sought: object) -> bool:
    return any(each is sought for each in gc.get_objects())


def test_objects_of_libraries_are_not_searched() -> None:
    gc.unfreeze()
    assert is_searched(pytest.MonkeyPatch)
    garbage.spare_if_due()
    assert not is_searched(pytest.MonkeyPatch)


def test_no_run_of_a_page_waits_for_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        searched.append(threading.current_thread().name)

    monkeypatch.setattr(garbage, "_LOOK_SECONDS", 0.01)
    gc.callbacks.append(note)
    gc.disable()
    try:
        garbage.spare_what_stays()
        until(lambda: "cityseg-garbage" in searched)
    finally:
        gc.enable()
        gc.callbacks.remove(note)
        garbage.stop_sparing()
    assert threading.current_thread().name not in searched


def test_objects_that_came_later_are_searched_until_that_is_costly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    garbage.spare_if_due()
    late: list[object] = []
    gc.collect()
    garbage.spare_if_due()
    assert is_searched(late)
    monkeypatch.setattr(garbage, "_COSTLY_SECONDS", 0.0)
    gc.collect()
    garbage.spare_if_due()
    assert not is_searched(late)


def test_what_was_left_out_and_became_garbage_is_found_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = type("Session", (), {})()
    session.itself = session
    alive = weakref.ref(session)
    garbage.spare_if_due()
    del session
    gc.collect()
    assert alive()
    monkeypatch.setattr(garbage, "_MOST_SECONDS", 0.0)
    garbage.spare_if_due()
    assert not alive()
