"""Find what is suspicious in the annotations and pictures, with evidence of a network or without.

Small regions where they hardly ever lie, labels at unlikely places or with
unlikely neighbours, instance ids and polygons that disagree with the labels,
void frames, copies, and pictures that are dark, blurred or of another size.
With evidence of a network that has not learned from these frames, also regions
where it is sure of another class. Nothing in DATA is changed.

Example: %(prog)s DATA --out findings.parquet
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityseg.cli.options import (
    add_data,
    add_layout,
    add_masks,
    add_shards,
    beside_network,
    network,
    whole_number,
)
from cityseg.cli.output import progress_bar
from cityseg.cli.parser import Parser
from cityseg.errors import EXIT_ALL, ConfigError
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.review import Audit, Finding, Verdict

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
    add_masks(parser)
    add(
        "--evidence",
        type=network,
        action="append",
        default=[],
        metavar="PLACE",
        help="Rank the regions where networks contradict the annotations: the folder of a run that "
        "has evidence, a folder of evidence, or box (see the command evidence); may be given "
        "several times.",
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
        help="Folder of training runs: the tables are also written into the folder reviews beside "
        "it, and what is ranked with evidence learns from the verdicts there.",
    )
    add("--workers", type=whole_number(1), metavar="N", help="Threads [one for each core].")
    add_shards(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.data import SPLITS
    from cityseg.review import AUDIT, NETWORK, findings_folder, ranked, write_findings
    from cityseg.system import check_output_file

    splits = options.split or SPLITS
    folder = findings_folder(options.data, options.runs) if options.runs else None
    beside = [folder / AUDIT, *([folder / NETWORK] if options.evidence else [])] if folder else []
    tables: list[Path] = [*([options.out] if options.out else []), *beside]
    if options.out and options.out.suffix.lower() not in ("", ".parquet"):
        raise ConfigError(
            f"The table is written as Parquet: name {options.out.with_suffix('.parquet')}"
        )
    for table in tables:
        check_output_file(table)
    if (options.shard or options.merge) and not tables:
        raise ConfigError(
            "The shards of an audit share the folder of its table: name it with --out or --runs"
        )
    if options.shard:
        return _audit_shard(options, splits, tables[0].parent)
    suspicious = _suspicious(options, splits) if options.evidence else []
    audit = _audit(options, splits, tables)
    findings = ranked([*audit.findings, *suspicious])
    if options.out:
        write_findings(options.out, findings)
    for table, own in zip(beside, (audit.findings, suspicious), strict=False):
        write_findings(table, own)
    _print_summary(findings)
    print(f"{len(findings):,} findings in {counted(audit.frames, 'frame')}.")
    for table in tables:
        print(f"Written to {table}.")
    return EXIT_ALL


def _audit(options: argparse.Namespace, splits: "Sequence[str]", tables: list[Path]) -> "Audit":
    """The audit of the frames, in this process or by the shards."""
    from cityseg.review import audit_dataset, merge_audit, plan_audit

    if options.merge:
        plan = plan_audit(options.data, splits, options.layout, options.masks)
        return merge_audit(plan, tables[0].parent)
    with _progress_bar() as progress:
        return audit_dataset(
            options.data,
            splits=splits,
            layout=options.layout,
            masks=options.masks,
            workers=options.workers,
            progress=progress,
        )


def _audit_shard(options: argparse.Namespace, splits: "Sequence[str]", beside: Path) -> int:
    """Audit the frames of a shard by themselves; the merge compares them."""
    from cityseg.review import audit_shard, plan_audit

    plan = plan_audit(options.data, splits, options.layout, options.masks)
    with _progress_bar() as progress:
        frames = audit_shard(
            plan, beside, options.shard, workers=options.workers, progress=progress
        )
    print(f"{counted(frames, 'frame')} audited.")
    return EXIT_ALL


def _progress_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    return progress_bar("Auditing", unit="frame")


def _suspicious(options: argparse.Namespace, splits: "Sequence[str]") -> "list[Finding]":
    """The findings with evidence, ranked from verdicts where there are enough."""
    from cityseg.evaluation import evidence_folders, suspicious_regions
    from cityseg.runs import is_box

    places = [
        beside_network(each, "evidence") if is_box(each) else each for each in options.evidence
    ]
    folders = [
        folder for place in places for folder in evidence_folders(place, splits, options.data)
    ]
    found = suspicious_regions(folders, _verdicts(options))
    if found.verdicts:
        print(f"Ranked from {found.verdicts:,} verdicts.")
    return found.findings


def _verdicts(options: argparse.Namespace) -> "list[Verdict]":
    """Those on annotations that are as they were."""
    from cityseg.data import SPLITS, find_frames
    from cityseg.review import ledger_file, read_ledger, verdict_rows

    if not options.runs:
        return []
    ledger = read_ledger(ledger_file(options.data, options.runs))
    if not ledger.verdicts():
        return []
    frames = {
        each.name: each for each in find_frames(options.data, SPLITS, options.layout, options.masks)
    }
    rows = verdict_rows(ledger.verdicts().values(), frames)
    return [row.verdict for row in rows if not row.is_stale]


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
