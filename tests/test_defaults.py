"""Where the dataset is looked for."""

from pathlib import Path

import pytest

from cityseg import defaults


def test_the_default_root_is_the_official_variable(monkeypatch):
    monkeypatch.setenv("CITYSCAPES_DATASET", "/somewhere")
    assert defaults.default_root() == Path("/somewhere")


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_the_default_root_is_data(monkeypatch, value):
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    if value is not None:
        monkeypatch.setenv("CITYSCAPES_DATASET", value)
    assert defaults.default_root() == Path("data")
