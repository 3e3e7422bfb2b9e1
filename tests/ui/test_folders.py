"""The folders of a session: from the command line, the environment, or the header."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from header import open_folder
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city
from waiting import PATIENCE_SECONDS

from cityseg.data.masks import convert
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.errors import ConfigError
from cityseg.ui.folders import Folders, typed_path

MAIN = Path(__file__).parents[2] / "cityseg" / "ui" / "pages" / "main.py"


@pytest.fixture
def bare_city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city without masks, whose masks lie in `elsewhere` beside it."""
    city = make_city(tmp_path / "city")
    (city / "masks").rename(tmp_path / "elsewhere")
    convert(city, tmp_path / "elsewhere")
    monkeypatch.setenv(DATASET_VARIABLE, str(city))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return city


def open_page(name: str) -> AppTest:
    at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
    at.switch_page(f"{name}.py").run()
    assert not at.exception
    return at


def with_a_mask(at: AppTest) -> str:
    return next(metric.value for metric in at.metric if metric.label == "With a mask")


def test_masks_may_be_outside_of_the_dataset(bare_city: Path) -> None:
    at = open_page("masks")
    assert with_a_mask(at) == "0"
    open_folder(at, "masks", bare_city.parent / "elsewhere")
    assert with_a_mask(at) == "15"


def test_the_command_line_sets_the_folder_of_masks(
    bare_city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = bare_city.parent / "elsewhere"
    monkeypatch.setattr(sys, "argv", ["app.py", "--masks", str(elsewhere)])
    at = open_page("masks")
    assert with_a_mask(at) == "15"
    other = make_city(bare_city.parent / "other")
    open_folder(at, "dataset", other)
    assert has(at.caption, str(other / "masks"))


def test_a_new_run_trains_on_the_masks_of_the_session(
    bare_city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = bare_city.parent / "elsewhere"
    monkeypatch.setattr(sys, "argv", ["app.py", "--masks", str(elsewhere)])
    at = open_page("train")
    assert not [each for each in at.warning if "have a mask" in each.value]
    at.session_state["train_all_settings"] = True
    at.run()
    key = at.session_state["train_form"].key("masks")
    assert at.text_input(key=key).placeholder == str(elsewhere)


def test_masks_are_in_the_dataset_by_default() -> None:
    assert Folders(Path("/data"), Path("/runs")).masks == Path("/data/masks")


UNUSABLE = {
    "~nosuchuser/city": "~nosuchuser/city begins with the home of an unknown user: correct it",
    "city\0": "city\0 has a character that no path may have: correct it",
    "x" * 5000: f"{'x' * 60}… cannot be a path (File name too long): correct it",
}


@pytest.mark.parametrize(("text", "message"), UNUSABLE.items(), ids=["user", "nul", "long"])
def test_a_path_that_cannot_be_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        typed_path(text)
    assert str(raised.value) == message


def test_a_loop_of_links_is_an_error_and_a_missing_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match="Too many levels of symbolic links"):
        typed_path(str(tmp_path / "loop"))
    assert typed_path(str(tmp_path / "missing")) == tmp_path / "missing"
    assert typed_path("~") == Path.home()


def has(elements: Sequence[Any], words: str) -> bool:
    return any(words in each.value.replace("\\", "") for each in elements)


@pytest.mark.parametrize("use", ["dataset", "masks", "runs_folder"])
def test_an_unusable_folder_is_a_sentence_in_the_header_and_changes_nothing(
    bare_city: Path, use: str
) -> None:
    at = open_page("browse")
    for text in UNUSABLE:
        open_folder(at, use, text)
        assert not at.exception
        assert has(at.caption, "correct it")
        assert has(at.caption, str(bare_city))
        assert not at.error
    open_folder(at, "dataset", bare_city)
    assert not has(at.caption, "correct it")


def test_the_chosen_folders_hold_on_every_page(bare_city: Path) -> None:
    other = make_city(bare_city.parent / "other")
    at = open_page("browse")
    open_folder(at, "dataset", other)
    for page in ("masks", "train", "results", "predict", "overview"):
        at.switch_page(f"{page}.py").run()
        assert not at.exception
        assert at.selectbox(key="dataset").value == "other"
        assert has(at.caption, str(other))


def test_the_home_of_another_user_is_not_told(bare_city: Path) -> None:
    at = open_page("browse")
    open_folder(at, "dataset", "~daemon/nowhere")
    (caption,) = [each.value for each in at.caption if "does not exist" in each.value]
    assert caption.endswith(" nowhere does not exist.")


def open_address(name: str, **parameters: str) -> AppTest:
    at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
    for key, value in parameters.items():
        at.query_params[key] = value
    at.switch_page(f"{name}.py").run()
    assert not at.exception
    return at


def test_an_address_names_a_folder_that_was_opened_before(bare_city: Path) -> None:
    other = make_city(bare_city.parent / "other")
    first = open_page("masks")
    open_folder(first, "dataset", other)
    assert first.query_params["dataset"] == "other"
    at = open_address("masks", dataset="other")
    assert at.selectbox(key="dataset").value == "other"
    assert with_a_mask(at) == "15"


@pytest.mark.parametrize("form", ["{path}", "unseen", "../unseen"])
def test_an_address_opens_no_folder_that_nobody_opened_here(bare_city: Path, form: str) -> None:
    unseen = make_city(bare_city.parent / "unseen")
    named = form.format(path=unseen)
    at = open_address("masks", dataset=named)
    assert at.selectbox(key="dataset").value == bare_city.name
    assert with_a_mask(at) == "0"
    assert has(at.warning, f"The address names the folder {named} (dataset), which this server")
    open_folder(at, "dataset", unseen)
    assert not has(at.warning, "The address names")
    assert with_a_mask(at) == "15"


@pytest.mark.parametrize("page", ["browse", "masks", "train"])
def test_a_dataset_that_is_removed_while_a_page_shows_it_is_explained(
    bare_city: Path, page: str
) -> None:
    at = open_page(page)
    shutil.rmtree(bare_city)
    at.run()
    assert not at.exception
    assert has([*at.info, *at.error, *at.warning], str(bare_city))
