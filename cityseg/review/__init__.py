"""What people say about frames and their labels: verdicts and tags, kept in a ledger."""

from cityseg.review.ledger import (
    DamagedLine,
    Ledger,
    annotation_digest,
    append,
    ledger_file,
    read_ledger,
    stale,
    tags_of_frames,
)
from cityseg.review.lines import (
    MOST_NOTE,
    MOST_TAG,
    VERDICTS,
    Line,
    TagChange,
    Undo,
    Verdict,
    cleaned_reviewer,
    cleaned_tag,
)
from cityseg.review.regions import Region, mask_of_runs, run_lengths

__all__ = [
    "MOST_NOTE",
    "MOST_TAG",
    "VERDICTS",
    "DamagedLine",
    "Ledger",
    "Line",
    "Region",
    "TagChange",
    "Undo",
    "Verdict",
    "annotation_digest",
    "append",
    "cleaned_reviewer",
    "cleaned_tag",
    "ledger_file",
    "mask_of_runs",
    "read_ledger",
    "run_lengths",
    "stale",
    "tags_of_frames",
]
