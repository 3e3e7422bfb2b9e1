"""The bell in the header: its number, its menu, and what is marked as seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS
from wandb_world import make_run

from cityseg.runs import RunDir
from cityseg.system import write_json
from cityseg.ui import bell
from cityseg.ui.bell import OPEN

HOSTILE = "<b>[bold](x)</b> *name*"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    bell._news.cache_clear()
    yield
    bell._news.cache_clear()


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunDir, RunDir]:
    """A run that is done, and one that has failed."""
    done, failed = make_run(tmp_path, title=HOSTILE), make_run(tmp_path, title="Second")
    scores = {"mean_iou": 0.49601, "best_epoch": 9}
    write_json(done.summary_file, {"status": "done", "epochs": 10, **scores})
    summary = {"status": "failed", "reason": "disk_full", "detail": "No space", "hint": "free some"}
    write_json(failed.summary_file, {**summary, "epochs": 3})
    return done, failed


def header(folder: str) -> None:
    from pathlib import Path

    import streamlit as st

    from cityseg.ui.bell import show
    from cityseg.ui.shell import page_file

    st.navigation([st.Page(page_file("train"), url_path="train")])
    show(Path(folder, "runs"), page_file("train"))


def drawn(folder: Path, is_open: bool = True) -> AppTest:
    at = AppTest.from_function(header, args=(str(folder),), default_timeout=PATIENCE_SECONDS)
    at.session_state[OPEN] = is_open
    at.run()
    assert not at.exception
    return at


def label(at: AppTest) -> str:
    (menu,) = (block.proto.popover for block in at.main if block.type == "popover")
    return str(menu.label)


def texts(at: AppTest) -> str:
    return "\n".join(each.value.replace("\\", "") for each in at.markdown)


def test_the_bell_counts_what_is_new(tmp_path: Path, runs: tuple[RunDir, RunDir]) -> None:
    at = drawn(tmp_path, is_open=False)
    assert label(at) == "2 *notifications*"
    assert not at.markdown


def test_each_notice_leads_to_its_run(tmp_path: Path, runs: tuple[RunDir, RunDir]) -> None:
    _, failed = runs
    at = drawn(tmp_path)
    # The name stands in the link alone, and the score is written as on the pages.
    assert sorted(texts(at).splitlines()) == [
        "Has ended: 10 of 10 epochs, best mean IoU 49.6% in epoch 9.",
        "Has failed after 3 of 10 epochs. No space. What to do: free some.",
    ]
    links = {each.proto.label.replace("\\", ""): each.proto for each in at.get("page_link")}
    assert links.keys() == {HOSTILE, "Second"}
    assert links[HOSTILE].icon == ":material/check_circle:"
    assert links["Second"].query_string == f"run={failed.id}"


def test_a_notice_is_marked_as_seen_alone_or_with_all(
    tmp_path: Path, runs: tuple[RunDir, RunDir]
) -> None:
    at = drawn(tmp_path)
    next(each for each in at.button if runs[1].id in each.key).click().run()
    assert label(at) == "1 *notifications*"
    assert "Second" not in texts(at)
    at.button(key="bell_all").click().run()
    assert label(at) == "*No notifications*"
    assert at.caption[0].value.startswith("Nothing new.")


def test_a_run_that_never_began_is_no_failure(tmp_path: Path) -> None:
    make_run(tmp_path)
    (link,) = drawn(tmp_path).get("page_link")
    assert link.proto.icon == ":material/pending:"


def test_many_notices_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "_MOST_SHOWN", 1)
    for _ in range(3):
        write_json(make_run(tmp_path).summary_file, {"status": "done", "epochs": 10})
    at = drawn(tmp_path)
    assert len(at.get("page_link")) == 1
    assert "And 2 more." in [each.value for each in at.caption]


def test_what_cannot_be_marked_is_said(tmp_path: Path, runs: tuple[RunDir, RunDir]) -> None:
    at = drawn(tmp_path)
    (tmp_path / "runs" / ".notices.json").mkdir()
    at.button(key="bell_all").click().run()
    assert "so nothing is marked as seen" in at.error[0].value
    assert label(at) == "2 *notifications*"


def test_without_a_folder_of_runs_there_is_a_quiet_bell(tmp_path: Path) -> None:
    assert label(drawn(tmp_path)) == "*No notifications*"
