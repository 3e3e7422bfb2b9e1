"""Fixtures of all tests that start jobs: queues of their own, and no process left at the end."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from job_runs import survivors
from trainers import Trainers
from waiting import until

from cityseg.jobs.queue import QUEUE_VARIABLE


@pytest.fixture(autouse=True)
def queues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """The folder of the queues; processes that are left at the end are killed, and an error.

    A failed test leaves them at once: nothing has asked them to end.
    """
    failures = request.session.testsfailed
    folder = tmp_path / "queues"
    monkeypatch.setenv(QUEUE_VARIABLE, str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield folder
    if request.session.testsfailed > failures:
        _kill_all(folder)
        return
    try:
        until(lambda: not survivors(folder))  # those of a run that has ended are ending
    except AssertionError:
        _kill_all(folder)
        raise


def _kill_all(queue: Path) -> None:
    for pid in survivors(queue):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def by_hand() -> Iterator[Trainers]:
    """Starts trainings at once that are no jobs."""
    trainers = Trainers()
    yield trainers
    trainers.kill_all()
