"""The queue of a review: the regions to judge, which of them are judged, and what is left.

A verdict belongs to a finding whose box is the same or nearly so, with the same label in the same
frame: the pixels of a finding are known only once its label map is decoded, and what two audits
find of one object differs by a few pixels.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal, NamedTuple

from cityseg.review.findings import Finding
from cityseg.review.lines import Verdict
from cityseg.review.regions import Box, is_same_region
from cityseg.review.verdict_table import VerdictRow

State = Literal["open", "stale", "judged"]

_WHOLE: Final[Box] = (0, 0, 0, 0)
#: Verdicts that say whether a finding was right.
_DECIDED: Final = ("wrong_label", "network_wrong")
#: As many verdicts as the share of all reasons weighs for one of them.
_WEIGHT_OF_ALL: Final = 4.0


class Judged(NamedTuple):
    """A verdict, and its region as a finding."""

    row: VerdictRow
    finding: Finding


#: The verdicts by frame, as `judged_regions` returns them.
JudgedFrames = Mapping[str, Sequence[Judged]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Conditions on findings; empty ones let all pass. `pixels` are the least and the most."""

    pairs: Sequence[str] = ()
    reasons: Sequence[str] = ()
    cities: Sequence[str] = ()
    pixels: tuple[float, float] = (0, float("inf"))
    states: Sequence[State] = field(default=())

    def takes(self, finding: Finding, state: State) -> bool:
        """Whether a finding in this state meets all conditions."""
        return (
            (not self.pairs or pair_of(finding) in self.pairs)
            and (not self.reasons or finding.reason in self.reasons)
            and (not self.cities or city_of(finding) in self.cities)
            and (not self.states or state in self.states)
            and self.pixels[0] <= finding.pixels <= self.pixels[1]
        )


class Progress(NamedTuple):
    """How far a queue is judged.

    Of `judged` regions, all but the unclear ones and those not worth it are `decided`, and `wrong`
    of these are wrong labels; `expected_left` wrong labels are expected among the others.
    """

    judged: int
    total: int
    wrong: int
    decided: int
    expected_left: float


def name_of(finding: Finding) -> str:
    """The name of a finding in addresses: the frame, and top, left, bottom, right."""
    return f"{finding.frame}@{','.join(map(str, _box_of(finding)))}"


def pair_of(finding: Finding) -> str:
    """The label and what it meets or what a network says: "car → tunnel"; empty for frames."""
    other = finding.predicted or finding.other
    return " → ".join(filter(None, (finding.label, other))) if finding.label else ""


def city_of(finding: Finding) -> str:
    """The city of a finding's frame."""
    return finding.frame.split("/")[1]


def queue_of(findings: Iterable[Finding], judged: JudgedFrames) -> dict[str, Finding]:
    """Findings by their names, in their order; of those with the same region, the first.

    Regions that were judged and are no finding any more follow, with no reason.
    """
    queue: dict[str, Finding] = {}
    of_frame: dict[str, list[Finding]] = defaultdict(list)
    judged_before = (each.finding for each in chain.from_iterable(judged.values()))
    for finding in chain(findings, judged_before):
        known = of_frame[finding.frame]
        if not any(_is_same(finding, other) for other in known):
            known.append(finding)
            queue[name_of(finding)] = finding
    return queue


def judged_regions(rows: Sequence[VerdictRow]) -> dict[str, list[Judged]]:
    """Verdicts in the order of their lines, by frame: the last first, stale ones behind all."""
    found: dict[str, list[Judged]] = defaultdict(list)
    for row in reversed(rows):
        found[row.verdict.frame].append(Judged(row, _finding_of(row.verdict)))
    for judged in found.values():
        judged.sort(key=lambda each: each.row.is_stale)
    return dict(found)


def verdict_on(finding: Finding, judged: JudgedFrames) -> VerdictRow | None:
    """The verdict on a finding's region, if there is one."""
    here = judged.get(finding.frame, ())
    return next((each.row for each in here if _is_same(finding, each.finding)), None)


def state_of(finding: Finding, judged: JudgedFrames) -> State:
    """Whether a finding is judged, and by a verdict on the present annotation."""
    found = verdict_on(finding, judged)
    return "open" if found is None else "stale" if found.is_stale else "judged"


def progress_of(findings: Iterable[Finding], judged: JudgedFrames) -> Progress:
    """How far `findings` are judged; stale verdicts count as none.

    The share of wrong labels is that of the decided regions of the same reason, drawn towards that
    of all by _WEIGHT_OF_ALL verdicts, and that towards a half by two.
    """
    total, done = 0, 0
    wrong, decided, left = Counter[str](), Counter[str](), Counter[str]()
    for finding in findings:
        total += 1
        found = verdict_on(finding, judged)
        if found is None or found.is_stale:
            left[finding.reason] += 1
            continue
        done += 1
        decided[finding.reason] += found.verdict.verdict in _DECIDED
        wrong[finding.reason] += found.verdict.verdict == "wrong_label"
    share = (wrong.total() + 1) / (decided.total() + 2)
    expected = sum(
        count * (wrong[reason] + _WEIGHT_OF_ALL * share) / (decided[reason] + _WEIGHT_OF_ALL)
        for reason, count in left.items()
    )
    return Progress(done, total, wrong.total(), decided.total(), expected)


def _box_of(finding: Finding) -> Box:
    """The box; all regions of a whole frame are one."""
    top, left, bottom, right = finding.box
    is_whole = finding.side == "picture" or (top == left == 0 and finding.pixels == bottom * right)
    return _WHOLE if is_whole else finding.box


def _is_same(one: Finding, other: Finding) -> bool:
    """Whether two findings of a frame are of the same region."""
    return is_same_region(one.label, _box_of(one), other.label, _box_of(other))


def _finding_of(verdict: Verdict) -> Finding:
    region = verdict.region
    return Finding(
        verdict.frame,
        "",
        0.0,
        region.box,
        region.pixels,
        label=verdict.truth,
        predicted=verdict.predicted,
    )
