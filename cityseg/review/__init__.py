"""Verdicts and tags of people on frames, in a ledger, and audits that say where to look."""

from cityseg.review.audit import Audit, audit_dataset
from cityseg.review.findings import (
    AUDIT,
    NETWORK,
    Finding,
    findings_folder,
    read_findings,
    region_of,
    write_findings,
)
from cityseg.review.findings import REASONS as FINDING_REASONS
from cityseg.review.flagged import Flagged, read_flagged, wrong_labels
from cityseg.review.judged import (
    Judged,
    count_verdicts,
    existing_ledger,
    judged_regions,
    verdicts_csv,
    verdicts_json,
)
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
    VerdictCode,
    cleaned_reviewer,
    cleaned_tag,
)
from cityseg.review.regions import Region, mask_of_runs, run_lengths

__all__ = [
    "AUDIT",
    "FINDING_REASONS",
    "MOST_NOTE",
    "MOST_TAG",
    "NETWORK",
    "VERDICTS",
    "Audit",
    "DamagedLine",
    "Finding",
    "Flagged",
    "Judged",
    "Ledger",
    "Line",
    "Region",
    "TagChange",
    "Undo",
    "Verdict",
    "VerdictCode",
    "annotation_digest",
    "append",
    "audit_dataset",
    "cleaned_reviewer",
    "cleaned_tag",
    "count_verdicts",
    "existing_ledger",
    "findings_folder",
    "judged_regions",
    "ledger_file",
    "mask_of_runs",
    "read_findings",
    "read_flagged",
    "read_ledger",
    "region_of",
    "run_lengths",
    "stale",
    "tags_of_frames",
    "verdicts_csv",
    "verdicts_json",
    "write_findings",
    "wrong_labels",
]
