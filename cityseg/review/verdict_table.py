"""The verdicts of a ledger with what is known of their frames now, and tables of them."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review.ledger import Ledger, annotation_digest, read_ledger
from cityseg.review.lines import VERDICTS, Verdict
from cityseg.review.regions import Box, is_same_region
from cityseg.system import records_csv


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict that counts; `frame` is None if the dataset has no such frame any more.

    `is_stale` is whether the annotation has other content now than when it was judged, or none.
    """

    verdict: Verdict
    frame: Frame | None
    is_stale: bool


def existing_ledger(path: Path) -> Ledger:
    """The ledger in a file; raises ReviewError if there is none, or it cannot be read."""
    if not path.is_file():
        raise ReviewError(
            f"There is no review ledger {path}: judge regions in the app first, or name another one"
        )
    return read_ledger(path)


def verdict_rows(
    verdicts: Iterable[Verdict],
    frames: Mapping[str, Frame],
    digest: Callable[[Frame], str] = annotation_digest,
) -> list[VerdictRow]:
    """`verdicts` in their order, with the frame of each and whether it is stale.

    A stale one is left out if its region was judged again: see `is_same_region`. `frames` are all
    there are, by name. `digest` is `annotation_digest`, or what remembers its results; it is called
    once a frame.
    """
    verdicts = list(verdicts)
    judged = {verdict.frame for verdict in verdicts} & frames.keys()
    digests = {name: digest(frames[name]) for name in judged}
    rows = [
        VerdictRow(each, frames.get(each.frame), digests.get(each.frame) != each.annotation)
        for each in verdicts
    ]
    again = defaultdict[str, list[Verdict]](list)
    for row in rows:
        if not row.is_stale:
            again[row.verdict.frame].append(row.verdict)
    return [row for row in rows if not (row.is_stale and _is_among(row.verdict, again))]


def _is_among(verdict: Verdict, judged: Mapping[str, Sequence[Verdict]]) -> bool:
    label, box = verdict.truth, verdict.region.box
    return any(
        is_same_region(label, box, each.truth, each.region.box) for each in judged[verdict.frame]
    )


def by_place(row: VerdictRow) -> tuple[str, Box, tuple[int, ...]]:
    """A key for sorting: the frame, and the region in it."""
    return row.verdict.frame, row.verdict.region.box, row.verdict.region.runs


def count_verdicts(rows: Sequence[VerdictRow]) -> dict[str, int]:
    """How many verdicts there are of each code, in the order of VERDICTS."""
    counts = Counter[str](each.verdict.verdict for each in rows)
    return {code: counts[code] for code in VERDICTS}


def _record(row: VerdictRow, tags: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    verdict, region = row.verdict, row.verdict.region
    return {
        "frame": verdict.frame,
        "top": region.top,
        "left": region.left,
        "bottom": region.bottom,
        "right": region.right,
        "pixels": region.pixels,
        "truth": verdict.truth,
        "predicted": verdict.predicted,
        "verdict": verdict.verdict,
        "accepted": verdict.accepted,
        "stale": row.is_stale,
        "reviewer": verdict.reviewer,
        "time": verdict.time,
        "note": verdict.note,
        "tags": ", ".join(tags.get(verdict.frame, ())),
    }


#: Of the CSV.
_FIELDS: Final = (
    *("frame", "top", "left", "bottom", "right", "pixels", "truth", "predicted", "verdict"),
    *("accepted", "stale", "reviewer", "time", "note", "tags"),
)


def verdicts_csv(rows: Sequence[VerdictRow], tags: Mapping[str, Sequence[str]]) -> str:
    """A row for each verdict, by place; the bottom and right of its box are exclusive."""
    records = [_record(each, tags) for each in sorted(rows, key=by_place)]
    return records_csv(records, _FIELDS)


def verdicts_json(rows: Sequence[VerdictRow], tags: Mapping[str, Sequence[str]]) -> str:
    """The rows of the CSV and, of each, the annotation's digest and the run lengths of its mask."""
    records = [
        {
            **_record(each, tags),
            "tags": list(tags.get(each.verdict.frame, ())),
            "annotation": each.verdict.annotation,
            "runs": list(each.verdict.region.runs),
        }
        for each in sorted(rows, key=by_place)
    ]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"
