"""Train a network, or resume a run.

Every run has a folder below RUNS with its settings, metrics, checkpoints and
log. Ctrl-C saves the state and stops the run; --resume continues it exactly.

Examples:
  %(prog)s --data DATA --preset fast --title "First try"
  %(prog)s --resume RUNS/20260101-120000-unet-0123abcd
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cityseg.cli import EXIT_ALL, EXIT_SOME
from cityseg.cli.options import add_runs
from cityseg.cli.output import log_beside_bars, print_done, shown
from cityseg.cli.parser import Parser, program_name
from cityseg.errors import CitysegError

if TYPE_CHECKING:
    from cityseg.runs import RunDir


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.cli.flags import add_settings

    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="Continue a run that stopped or died."
    )
    add_runs(parser)
    add_settings(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    run = _chosen_run(options)
    if run.done_summary():
        print_done(run.path)
        return EXIT_ALL
    print(f"Run {run.path}")

    from cityseg.train import train_run

    with log_beside_bars():
        summary = train_run(run)
    if summary["status"] == "stopped":
        print(f"Stopped. Continue with: {program_name()} train --resume {run.path}")
        return EXIT_SOME
    print(f"Done: best mean IoU {shown(summary['mean_iou'])} in epoch {summary['best_epoch']}.")
    return EXIT_ALL


def _chosen_run(options: argparse.Namespace) -> "RunDir":
    """The run to resume, or a new one with the chosen settings."""
    from cityseg.cli.flags import chosen_config, chosen_settings
    from cityseg.runs import RunDir

    if not options.resume:
        return RunDir.create(options.runs, chosen_config(options))
    if given := [*chosen_settings(options), *(["preset"] if options.preset else [])]:
        raise CitysegError(
            f"--resume takes the run's own settings: leave --{given[0].replace('_', '-')} out"
        )
    return RunDir.open(options.resume)
