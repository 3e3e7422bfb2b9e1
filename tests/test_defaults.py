"""Where the dataset is looked for, and what a reviewer is called."""

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


def test_a_reviewer_is_named_by_the_variable_or_the_login(monkeypatch):
    monkeypatch.setenv("CITYSEG_REVIEWER", "Ada")
    assert defaults.default_reviewer() == "Ada"
    monkeypatch.setenv("CITYSEG_REVIEWER", "")
    monkeypatch.setattr("getpass.getuser", lambda: "grace")
    assert defaults.default_reviewer() == "grace"

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert defaults.default_reviewer() == "reviewer"
