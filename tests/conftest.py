"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

from cityseg.places import DATASET_VARIABLE

GENUINE = os.environ.get(DATASET_VARIABLE)


@pytest.fixture(scope="session")
def genuine() -> Path:
    """The folder of genuine Cityscapes frames; tests that want it are skipped without one."""
    if not GENUINE:
        pytest.skip(f"{DATASET_VARIABLE} is not set: no genuine Cityscapes frames")
    return Path(GENUINE)
