"""The queue of a review: which verdict belongs to which finding, and how far it is judged."""

from dataclasses import replace

import numpy as np
import pytest

from cityseg.review.findings import Finding
from cityseg.review.lines import Verdict
from cityseg.review.queue import (
    Choice,
    city_of,
    judged_regions,
    name_of,
    pair_of,
    progress_of,
    queue_of,
    state_of,
    verdict_on,
)
from cityseg.review.regions import Region
from cityseg.review.verdict_table import VerdictRow

FRAME = "val/ulm/ulm_0"
DIGEST = "0123456789abcdef"
CAR = Finding(FRAME, "island", 0.9, (10, 20, 30, 60), 500, label="car", other="road")
POLE = Finding(FRAME, "sliver", 0.5, (0, 0, 40, 4), 90, label="pole")
DARK = Finding(FRAME, "dark", 0.4, (0, 0, 64, 128), 64 * 128, side="picture")


def verdict(finding: Finding, code: str = "wrong_label", **fields: object) -> Verdict:
    top, left, bottom, right = finding.box
    mask = np.ones((bottom - top, right - left), np.bool_)
    mask[0, 0] = finding.pixels == mask.size  # else less than the box
    given = {"reviewer": "Ada", "frame": finding.frame, "annotation": DIGEST}
    region = Region.of(mask, top, left)
    given |= {"region": region, "truth": finding.label, "verdict": code}
    return Verdict.model_validate(given | fields)


def judged_by(*verdicts: Verdict) -> dict[str, list[VerdictRow]]:
    """Judged, in this order, where all annotations have the digest DIGEST now."""
    return judged_regions([VerdictRow(each, None, each.annotation != DIGEST) for each in verdicts])


def test_names_are_of_frame_and_box_and_whole_frames_have_one() -> None:
    assert name_of(CAR) == "val/ulm/ulm_0@10,20,30,60"
    unreadable = Finding(FRAME, "unreadable", 1.0, (0, 0, 0, 0), 0)
    assert name_of(DARK) == name_of(unreadable) == "val/ulm/ulm_0@0,0,0,0"
    assert (pair_of(CAR), pair_of(POLE), pair_of(DARK)) == ("car → road", "pole", "")
    assert pair_of(replace(CAR, predicted="truck")) == "car → truck"
    assert city_of(CAR) == "ulm"


def test_findings_of_one_region_are_one() -> None:
    again = replace(CAR, reason="polygons", box=(10, 20, 31, 58), score=0.3)
    other_label = replace(again, label="truck")
    elsewhere = replace(again, frame="val/ulm/ulm_1")
    queue = queue_of([CAR, again, other_label, elsewhere, POLE], {})
    assert list(queue.values()) == [CAR, other_label, elsewhere, POLE]


def test_a_verdict_belongs_to_its_region_whatever_proposes_it() -> None:
    judged = judged_by(verdict(CAR), verdict(DARK))
    assert [state_of(each, judged) for each in (CAR, POLE, DARK)] == ["judged", "open", "judged"]
    assert state_of(replace(CAR, box=(10, 20, 31, 58)), judged) == "judged"
    assert state_of(replace(CAR, box=(10, 20, 31, 58), label="truck"), judged) == "open"


def test_a_region_that_is_no_finding_any_more_stays_in_the_queue() -> None:
    judged = judged_by(verdict(CAR, note="x"))
    queue = queue_of([POLE], judged)
    found = queue["val/ulm/ulm_0@10,20,30,60"]
    assert (found.label, found.reason) == ("car", "")
    assert verdict_on(found, judged) == judged[FRAME][0].row


def test_a_verdict_on_a_changed_annotation_is_stale_until_there_is_a_new_one() -> None:
    old = verdict(CAR, annotation="f" * 16)
    assert state_of(CAR, judged_by(old)) == "stale"
    # The new annotation has other pixels there, so both verdicts count.
    shifted = replace(CAR, box=(10, 20, 31, 60))
    new = verdict(shifted, "unclear")
    assert state_of(CAR, judged_by(old, new)) == state_of(CAR, judged_by(new, old)) == "judged"


def test_the_last_of_two_verdicts_on_nearly_the_same_region_counts() -> None:
    # Clocks differ: the order of lines decides.
    one = verdict(CAR, time="2026-01-01T00:00:00.000Z")
    other = verdict(replace(CAR, box=(10, 20, 31, 60)), "unclear", time="2026-01-01T00:00:01.000Z")
    for pair in ((one, other), (other, one)):
        found = verdict_on(CAR, judged_by(*pair))
        assert found
        assert found.verdict == pair[-1]


def test_precision_counts_decided_regions_and_the_expectation_is_by_reason() -> None:
    def islands(reason: str) -> list[Finding]:
        boxes = [(50 * i, 10, 50 * i + 20, 40) for i in range(1, 21)]
        return [replace(CAR, reason=reason, frame=f"val/ulm/{reason}", box=box) for box in boxes]

    good, bad = islands("island"), islands("hole")
    verdicts = [verdict(each) for each in good[:8]]
    verdicts += [verdict(each, "network_wrong") for each in bad[:8]]
    verdicts += [verdict(good[8], "unclear"), verdict(bad[8], "not_worth_it")]
    judged = judged_by(*verdicts)
    progress = progress_of([*good, *bad], judged)
    assert progress[:4] == (18, 40, 8, 16)
    # 11 islands at (8 + 4/2) of 12, 11 holes at (0 + 4/2) of 12.
    assert progress.expected_left == pytest.approx(11 * 10 / 12 + 11 * 2 / 12)
    assert progress_of(good, {})[:4] == (0, 20, 0, 0)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), True),
        (Choice(pairs=["car → road"], reasons=["island"], cities=["ulm"], states=["open"]), True),
        (Choice(pairs=["pole"]), False),
        (Choice(reasons=["hole"]), False),
        (Choice(cities=["bonn"]), False),
        (Choice(states=["judged", "stale"]), False),
        (Choice(pixels=(500, 500)), True),
        (Choice(pixels=(501, 1000)), False),
    ],
)
def test_conditions_hold_together(choice: Choice, expected: bool) -> None:
    assert choice.takes(CAR, "open") is expected
