"""Fixtures shared by all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityseg.defaults import DATASET_VARIABLE
from cityseg.jobs.queue import QUEUE_VARIABLE

# Before anything imports torch: the tiny steps of tests take many times longer on several threads
# when the cores are busy. Processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

GENUINE = os.environ.get(DATASET_VARIABLE)


@pytest.fixture(scope="session")
def genuine() -> Path:
    """The folder of genuine Cityscapes frames; tests that want it are skipped without one."""
    if not GENUINE:
        pytest.skip(f"{DATASET_VARIABLE} is not set: no genuine Cityscapes frames")
    return Path(GENUINE)


@pytest.fixture(scope="session", autouse=True)
def _queue_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of tests neither wait for other runs on this machine nor make them wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(QUEUE_VARIABLE, str(tmp_path_factory.mktemp("queues")))
        yield
