"""Names and state labels of runs."""

from typing import get_args

import pytest

from cityseg.config import make_config
from cityseg.jobs import UNSTARTED, Entry, JobState, Phase
from cityseg.runs import BOX_TITLE
from cityseg.runs.folder import RunDir
from cityseg.ui.run_labels import (
    STATE_LABELS,
    about_run,
    distinct_names,
    failure_reason,
    run_name,
    state_label,
)

ID = "20261128-115509-unet-e0c26275"


def entry(run_id: str, title: str | None = None) -> Entry:
    """A run; without a title, a folder whose settings cannot be read."""
    config = None if title is None else make_config({"title": title})
    return Entry(RunDir.__new__(RunDir), run_id, config, None)


def test_a_run_is_called_by_its_title_or_else_by_its_id() -> None:
    assert run_name(entry(ID, "Mine")) == "Mine"
    assert run_name(entry(ID, "")) == ID
    assert run_name(entry("broken")) == "broken"


def test_runs_with_the_same_title_are_followed_by_the_end_of_their_ids() -> None:
    entries = [entry("a-11111111", "Same"), entry("b-22222222", "Same"), entry("c", "Other")]
    assert distinct_names(entries) == {
        "a-11111111": "Same (11111111)",
        "b-22222222": "Same (22222222)",
        "c": "Other",
    }


def test_ids_that_end_alike_are_written_whole() -> None:
    entries = [entry("a-11111111", "Same"), entry("copy-a-11111111", "Same"), entry("c", "Other")]
    assert list(distinct_names(entries).values()) == [
        "Same (a-11111111)",
        "Same (copy-a-11111111)",
        "Other",
    ]


def test_a_run_that_is_called_as_the_network_in_the_box_has_its_id_behind_it() -> None:
    assert distinct_names([entry("a-11111111", BOX_TITLE)]) == {
        "a-11111111": f"{BOX_TITLE} (11111111)"
    }


@pytest.mark.parametrize("phase", get_args(Phase))
def test_every_phase_has_a_label(phase: Phase) -> None:
    assert state_label(JobState(phase, epochs=1)).word == phase.capitalize()


def test_a_run_that_never_began_is_not_lost() -> None:
    assert state_label(JobState("lost", 1, reason=UNSTARTED)).word == "Not started"


@pytest.mark.parametrize(
    ("reason", "text"), [("disk_full", "Disk full"), ("nan_loss", "The loss is not a number")]
)
def test_a_failure_has_its_reason_in_words(reason: str, text: str) -> None:
    assert failure_reason(JobState("failed", 1, reason=reason)) == text


def test_no_two_labels_differ_by_colour_alone() -> None:
    assert state_label(None) in STATE_LABELS
    assert len({label.word for label in STATE_LABELS}) == len(STATE_LABELS)
    assert len({label.icon for label in STATE_LABELS}) == len(STATE_LABELS)


def test_an_id_says_when_the_run_was_made() -> None:
    assert about_run(ID, has_name=True) == f"{ID} · made 28 Nov 2026, 11:55"
    assert about_run(ID, has_name=False) == "made 28 Nov 2026, 11:55"
    assert about_run("a folder of another name", has_name=True) == "a folder of another name"
    assert about_run("a folder of another name", has_name=False) == ""
