"""Work in threads: in order, a little ahead, and OpenCV's threads restored however it ends."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import cv2
import pytest
from waiting import until

from cityseg.system.parallel import available_cores, map_in_threads, wait_passively


@pytest.fixture(autouse=True)
def opencv_threads() -> Iterator[None]:
    """OpenCV with three threads before the test, and after it."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    after = cv2.getNumThreads()
    cv2.setNumThreads(before)
    assert after == 3


def fail(item: int) -> int:
    raise ValueError(item)


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_in_the_order_of_the_items(workers: int | None) -> None:
    assert list(map_in_threads(lambda item: item * item, range(100), workers)) == [
        item * item for item in range(100)
    ]


class Items:
    """A hundred numbers; `taken` has those that were iterated over."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def __iter__(self) -> Iterator[int]:
        for item in range(100):
            self.taken.append(item)
            yield item


def test_only_a_few_items_are_taken_ahead() -> None:
    items = Items()
    with closing(map_in_threads(str, items, workers=1)) as results:
        assert next(results) == "0"
        assert items.taken == [0, 1, 2]
        next(results)
        assert items.taken == [0, 1, 2, 3]


def test_one_worker_computes_ahead_while_the_consumer_works() -> None:
    done: list[int] = []
    with closing(map_in_threads(done.append, range(10), workers=1)) as results:
        next(results)
        until(lambda: done == [0, 1, 2])


def test_after_an_error_no_more_items_are_taken() -> None:
    items = Items()
    with pytest.raises(ValueError, match="0"):
        list(map_in_threads(fail, items, workers=1))
    assert items.taken == [0, 1, 2]


def test_opencv_uses_one_thread_meanwhile() -> None:
    with closing(map_in_threads(lambda _: cv2.getNumThreads(), range(3))) as results:
        assert list(results) == [1, 1, 1]


@pytest.mark.parametrize("failing", ["feeding", "fed"])
def test_opencv_gets_its_threads_back_when_nested_work_fails(failing: str) -> None:
    load, count = (fail, str) if failing == "feeding" else (str, fail)
    with (
        pytest.raises(ValueError, match="0"),
        closing(map_in_threads(load, range(10), workers=1)) as loaded,
        closing(map_in_threads(count, loaded, workers=1)) as counted,
    ):
        list(counted)
    assert cv2.getNumThreads() == 3


def test_opencv_gets_its_threads_back_when_the_first_of_several_threads_ends_first() -> None:
    first = map_in_threads(str, range(100), workers=1)
    second = map_in_threads(str, range(100), workers=1)
    next(first)
    thread = threading.Thread(target=next, args=(second,))
    thread.start()
    thread.join()
    first.close()
    assert cv2.getNumThreads() == 1
    second.close()
    assert cv2.getNumThreads() == 3


def test_there_is_a_core_to_use() -> None:
    assert available_cores() >= 1


def test_threads_of_torch_sleep_while_they_wait() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    code = "from cityseg.system import wait_passively as f; f(); import torch; torch.ones(9).sum()"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown


def test_threads_of_torch_wait_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
