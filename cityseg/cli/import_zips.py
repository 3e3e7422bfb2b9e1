"""Unpack the Cityscapes zips into the layout.

Nothing outside DATA is written, whatever the zips hold, and files that exist
stay as they are. A link to a folder in DATA is followed. The zips are leftImg8bit_trainvaltest.zip,
gtFine_trainvaltest.zip and others of the official site.
"""

import argparse
import sys
from pathlib import Path

from cityseg.cli.options import add_data
from cityseg.cli.output import progress_bar, status_of
from cityseg.cli.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument("zips", type=Path, nargs="+", metavar="ZIP", help="A zip of Cityscapes.")
    add_data(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.data import import_archives

    with progress_bar("Unpacking", unit="B", unit_scale=True) as progress:
        report = import_archives(options.zips, options.data, progress=progress)
    for sentence in report.refusals():
        print(sentence, file=sys.stderr)
    files = "1 file" if report.unpacked == 1 else f"{report.unpacked} files"
    print(
        f"{options.data}: {files} unpacked, {report.already_there} already there, "
        f"{report.ignored} not needed, {len(report.refused)} left."
    )
    return status_of(report.unpacked + report.already_there, len(report.refused))
