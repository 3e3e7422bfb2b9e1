"""The verdicts of a ledger as a table: one row a region, with what is known of it now."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review.ledger import Ledger, annotation_digest, read_ledger
from cityseg.review.lines import VERDICTS, Verdict
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
    ledger: Ledger, frames: Sequence[Frame], digest: Callable[[Frame], str] = annotation_digest
) -> list[VerdictRow]:
    """The verdicts of a ledger in the order of frames and places; `frames` are all there are.

    `digest` is `annotation_digest`, or what remembers its results.
    """
    by_name = {frame.name: frame for frame in frames}
    verdicts = sorted(ledger.verdicts().values(), key=_order)
    wanted = {verdict.frame for verdict in verdicts} & by_name.keys()
    digests = {name: digest(by_name[name]) for name in wanted}
    return [
        VerdictRow(each, by_name.get(each.frame), digests.get(each.frame, "") != each.annotation)
        for each in verdicts
    ]


def _order(verdict: Verdict) -> tuple[str, int, int, int, int, str]:
    region = verdict.region
    return (
        *(verdict.frame, region.top, region.left, region.bottom, region.right),
        verdict.id,
    )


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


def verdicts_csv(rows: Sequence[VerdictRow], tags: Mapping[str, Sequence[str]]) -> str:
    """A row for each verdict; the bottom and right of its box are exclusive."""
    return records_csv([_record(each, tags) for each in rows])


def verdicts_json(rows: Sequence[VerdictRow], tags: Mapping[str, Sequence[str]]) -> str:
    """The rows of the CSV and, of each, the annotation's digest and the run lengths of its mask."""
    records = [
        {
            **_record(each, tags),
            "tags": list(tags.get(each.verdict.frame, ())),
            "annotation": each.verdict.annotation,
            "runs": list(each.verdict.region.runs),
        }
        for each in rows
    ]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"
