"""Tags in the app: what the browser sends is kept once, by the session's reviewer, or refused."""

from pathlib import Path

import pytest
import streamlit as st

from cityseg.review import ledger_file, read_ledger
from cityseg.ui import tagging
from cityseg.ui.folders import Folders

NAME = "val/town/town_000000_000019"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setattr(st, "session_state", {tagging.REVIEWER: " Ada\tL. "})
    return Folders(tmp_path / "city", tmp_path / "runs")


def change(id_: str, tag: object = "night", frame: str = NAME, **more: object) -> dict[str, object]:
    return {"id": id_ * 16, "frame": frame, "tag": tag, "is_set": True, **more}


def keep(folders: Folders, *changes: object) -> list[str]:
    """Keep the changes; what is confirmed then."""
    tagging.tagging(folders, {}).keep({"attempt": 1, "changes": list(changes)})
    return list(tagging.tagging(folders, {}).confirmed)


def test_a_change_that_is_sent_twice_is_kept_once(folders: Folders) -> None:
    keep(folders, change("1"))
    assert keep(folders, change("1"), change("2", is_set=False)) == ["1" * 16, "2" * 16]
    ledger = ledger_file(folders.data, folders.runs)
    assert tagging.tags_of(folders) == {}
    del st.session_state["confirmed_tags"]  # as after a run of the script that was interrupted
    assert keep(folders, change("1")) == ["1" * 16]
    assert len(ledger.read_text().splitlines()) == 2
    assert ledger.read_text().count('"reviewer":"Ada L."') == 2


@pytest.mark.parametrize(
    "bad",
    [
        change("1", tag="a,b"),
        change("1", tag=["night"]),
        change("1", frame="../secret/x"),
        {"id": "1" * 16},
        change("1", kind="verdict"),
    ],
)
def test_what_cannot_be_a_tag_is_refused_and_reported(folders: Folders, bad: object) -> None:
    assert keep(folders, bad) == ["1" * 16]
    assert not ledger_file(folders.data, folders.runs).exists()
    assert "was not kept" in st.session_state["refused_tags"]


@pytest.mark.parametrize("junk", [None, 7, "x", [1], {}, {"attempt": 1, "changes": [None]}])
def test_junk_from_the_browser_changes_nothing(folders: Folders, junk: object) -> None:
    tagging.tagging(folders, {}).keep(junk)
    assert not ledger_file(folders.data, folders.runs).exists()


def test_a_ledger_that_cannot_be_written_is_reported(folders: Folders) -> None:
    folders.runs.with_name("reviews").write_text("in the way")
    assert keep(folders, change("1")) == ["1" * 16]
    assert "Tags were not kept" in st.session_state["refused_tags"]


def test_tags_of_frames_for_filters_and_the_viewer(folders: Folders) -> None:
    keep(folders, change("1"), change("2", tag="wet road"), change("3", frame="val/town/b"))
    tags = tagging.tags_of(folders)
    assert tagging.known_tags(tags) == ["night", "wet road"]
    assert tagging.tag_texts([NAME, "val/town/c"], tags) == ["night,wet road", ""]
    assert tagging.tag_texts(["val/town/c"], tags) == []
    assert tagging.has_tags(NAME, ["fog", "night"], tags)
    assert not tagging.has_tags("val/town/c", ["night"], tags)
    assert read_ledger(ledger_file(folders.data, folders.runs)).problems() == []
