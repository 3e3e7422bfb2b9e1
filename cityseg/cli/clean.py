"""List files that nobody needs any more, and remove them with --yes.

These are frame stores that fit no dataset as it is now, what killed
commands have left, old outputs of background tasks, and shards, evidence
and plans of groups that nobody has continued for a week. Runs, masks and
images stay, and so do stores that a run trains with or needs when it is
resumed.

Example: %(prog)s DATA --yes
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cityseg.cli import EXIT_ALL
from cityseg.cli.options import add_data, add_runs
from cityseg.cli.output import status_of
from cityseg.cli.parser import Parser
from cityseg.errors import RunError
from cityseg.wording import readable_size

if TYPE_CHECKING:
    from cityseg.jobs.cleaning import Leftover


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add_data(parser, "data", nargs="?")
    add_runs(parser)
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        metavar="DIR",
        help="Folder that predictions, evidence, audits or videos were written to "
        "[./predictions]; may be given several times.",
    )
    parser.add_argument("--yes", action="store_true", help="Remove what is listed.")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.jobs.cleaning import find_leftovers

    data, runs = options.data, options.runs
    if not data.exists() and not runs.exists():
        raise RunError(f"There is neither {data} nor {runs}: name a dataset, or runs with --runs")
    for folder, other in ((data, runs), (runs, data)):
        if not folder.exists():
            print(
                f"cityseg: There is no folder {folder}, so only {other} is searched",
                file=sys.stderr,
            )
    for folder in options.out or ():
        if not folder.exists():
            raise RunError(f"There is no folder {folder}: name one that results were written to")
    found = find_leftovers(data, runs, outputs=options.out or [Path("predictions")])
    removable = [each for each in found if not each.in_use]
    for each in found:
        if each.in_use:
            print(f"Kept: {readable_size(each.size_bytes):>11}  {each.path}: {each.in_use}.")
    for each in removable:
        print(f"{readable_size(each.size_bytes):>11}  {each.path}: {each.reason}")
    if not removable:
        print(f"There is nothing to remove in {data} and {runs}.")
        return EXIT_ALL
    if options.yes:
        return _remove(removable)
    total = readable_size(sum(each.size_bytes for each in removable))
    print(f"{total} can be removed. Add --yes to do it.")
    return EXIT_ALL


def _remove(removable: Sequence["Leftover"]) -> int:
    from cityseg.jobs.cleaning import remove

    removed_bytes, skipped = 0, 0
    for each in removable:
        if problem := remove(each):
            print(f"cityseg: {problem.detail}", file=sys.stderr)
            skipped += 1
        else:
            removed_bytes += each.size_bytes
    print(f"Removed {readable_size(removed_bytes)}.")
    return status_of(len(removable) - skipped, skipped)
