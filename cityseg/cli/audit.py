"""Find what is suspicious in the annotations and pictures, without a network.

Small regions where they hardly ever lie, labels at unlikely places or with
unlikely neighbours, instance ids and polygons that disagree with the labels,
void frames, copies, and pictures that are dark, blurred or of another size.
Nothing in DATA is changed.

Example: %(prog)s DATA --out findings.parquet
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityseg.cli.options import add_data, add_layout, whole_number
from cityseg.cli.output import count_frames, progress_bar
from cityseg.cli.parser import Parser
from cityseg.errors import EXIT_ALL

if TYPE_CHECKING:
    from cityseg.review import Finding

_EXAMPLES: Final = 3


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.data import SPLITS

    add_data(parser, "data", nargs="?")
    add = parser.add_argument
    add(
        "--split",
        choices=SPLITS,
        action="append",
        help="Split to examine; may be given several times [all].",
    )
    add_layout(
        parser,
        "How the dataset is laid out, where its folders do not say",
        "that of the last conversion, or what the folders say",
    )
    add(
        "--out",
        type=Path,
        metavar="FILE.parquet",
        help="File for the table of all findings, the most suspicious first.",
    )
    add(
        "--runs",
        type=Path,
        metavar="RUNS",
        help="Folder of training runs: the table is also written into the folder reviews beside "
        "it, for the review of the findings.",
    )
    add("--workers", type=whole_number(1), metavar="N", help="Threads [one for each core].")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.data import SPLITS
    from cityseg.review import AUDIT, audit_dataset, findings_folder, write_findings
    from cityseg.system import check_output_file

    tables = [options.out] if options.out else []
    if options.runs:
        tables.append(findings_folder(options.data, options.runs) / AUDIT)
    for table in tables:
        check_output_file(table)
    with progress_bar("Auditing", unit="frame") as progress:
        audit = audit_dataset(
            options.data,
            splits=options.split or SPLITS,
            layout=options.layout,
            workers=options.workers,
            progress=progress,
        )
    for table in tables:
        write_findings(table, audit.findings)
    _print_summary(audit.findings)
    print(f"{len(audit.findings):,} findings in {count_frames(audit.frames)}.")
    for table in tables:
        print(f"Written to {table}.")
    return EXIT_ALL


def _print_summary(findings: "Sequence[Finding]") -> None:
    """For each reason, how often it was found, and the most suspicious examples."""
    from cityseg.review import FINDING_REASONS

    by_reason: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_reason[finding.reason].append(finding)
    for reason, about in FINDING_REASONS.items():
        if found := by_reason.get(reason):
            print(f"{len(found):>7,}  {reason}: {about}.")
            for finding in found[:_EXAMPLES]:
                print(f"{'':9}{finding.score:.2f}  {_described(finding)}")


def _described(finding: "Finding") -> str:
    """A finding in a line: frame, place, labels."""
    parts = [finding.frame]
    if finding.label:
        top, left, bottom, right = finding.box
        parts.append(f"x {left}–{right - 1}, y {top}–{bottom - 1}")
        parts.append(f"{finding.label} ({finding.pixels:,} pixels)")
    if finding.other:
        parts.append(f"and {finding.other}" if finding.label else finding.other)
    return "  ".join(parts)
