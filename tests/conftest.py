"""Fixtures shared by all tests."""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from forks import end_origins
from hypothesis import HealthCheck, settings

from cityseg.defaults import DATASET_VARIABLE
from cityseg.jobs.notifying import NOTIFY_VARIABLE
from cityseg.jobs.queue import QUEUE_VARIABLE
from cityseg.places import CONFIG_VARIABLE

# Before anything imports torch: the tiny steps of tests take many times longer on several threads
# when the cores are busy. Processes that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell ignores it for what it starts in the background, and `nohup` the other, and so would all
# that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# On busy cores any example may take long, which is no fault; and the same code has the same result:
# pytest --hypothesis-profile explore draws other and more examples, as make check-slow does.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", settings.get_profile("steady"), derandomize=False, max_examples=200
)
settings.load_profile("steady")

GENUINE = os.environ.get(DATASET_VARIABLE)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(
    config: pytest.Config, report: object
) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Let reports reach the main process: pytest-xdist sends UTF-8 only.

    Names of files that are not UTF-8 are in the logs that tests capture.
    """
    content = yield
    if content and "sections" in content:
        content["sections"] = [
            tuple(text.encode(errors="backslashreplace").decode() for text in section)
            for section in content["sections"]
        ]
    return content


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing of what is imported goes away: searching it for garbage took a quarter of the time.

    What is frozen is not searched again in any test either.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests first, so that no worker has to wait for the end of one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def genuine() -> Path:
    """The folder of genuine Cityscapes frames; tests that want it are skipped without one."""
    if not GENUINE:
        pytest.skip(f"{DATASET_VARIABLE} is not set: no genuine Cityscapes frames")
    return Path(GENUINE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The city of `tiny_runs`, for runs in the folder `runs` beside it."""
    from tiny_runs import make_city  # loads torch

    return make_city(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="session", autouse=True)
def _no_usual_dataset() -> Iterator[None]:
    """Only tests that ask for genuine frames see the variable that names them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(DATASET_VARIABLE, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _queue_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of tests neither wait for other runs on this machine nor make them wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(QUEUE_VARIABLE, str(tmp_path_factory.mktemp("queues")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The clusters of the person who runs the tests are not used."""
    settings = tmp_path_factory.mktemp("places") / "places.toml"
    settings.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONFIG_VARIABLE, str(settings))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_notifications() -> Iterator[None]:
    """Nobody hears of the runs of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(NOTIFY_VARIABLE, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _origins_of_forks() -> Iterator[None]:
    yield
    end_origins()
