"""Unpack "Cityscapes image pairs" into the layout.

FOLDER holds train/1.jpg … train/2975.jpg and val/1.jpg … val/500.jpg: JPEG
files of 512×256 pixels, the picture on the left, its colour map on the right.
Labels are recovered from the colours. Frames that are there are kept, so an
interrupted call is completed by the next one. FOLDER stays as it is.

Example: %(prog)s cityscapes_data --data DATA
"""

import argparse
import sys
from pathlib import Path

from cityseg.cli.options import add_data, whole_number
from cityseg.cli.output import progress_bar, status_of
from cityseg.cli.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="Folder with train and val.")
    add_data(parser)
    parser.add_argument(
        "--unsure",
        choices=("best", "void"),
        default="best",
        help="Pixels whose label is unsure, about one in twenty: best keeps the most probable "
        "label; void makes them unlabeled, which loses most of what is thin [best].",
    )
    parser.add_argument(
        "--workers", type=whole_number(1), metavar="N", help="Threads [one for each core]."
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.data import unpack_pairs

    with progress_bar("Unpacking", unit="pair") as progress:
        report = unpack_pairs(
            options.folder,
            options.data,
            unsure=options.unsure,
            workers=options.workers,
            progress=progress,
        )
    for skipped in report.skipped:
        print(f"Skipped: {skipped.detail}.", file=sys.stderr)
    there = report.unpacked + report.already_there
    total = there + len(report.skipped)
    print(
        f"{options.data}: {total} pairs, {report.unpacked} unpacked, "
        f"{report.already_there} already there, {len(report.skipped)} skipped; "
        f"{report.found.ignored} other files ignored."
    )
    for reason, count in report.reasons.items():
        print(f"{count:6,} {reason}")
    named = report.found.official
    print(f"Official names: {' and '.join(named) if named else 'none; frames keep their numbers'}.")
    print(
        "The pictures are squeezed to half their width, and are shown and used at 2:1. Labels are "
        "recovered from JPEG colours: scores on them do not compare with those of Cityscapes."
    )
    return status_of(there, len(report.skipped))
