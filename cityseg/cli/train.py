"""Train a network, or resume a run.

Every run has a folder below RUNS with its settings, metrics, checkpoints and
log. Ctrl-C saves the state and stops the run; --resume continues it exactly.
A resumed run keeps its settings, except those that belong to the machine
(--data, --masks, --store, --device), --epochs and --patience. --start-from
and --weights may be named again; they count only if no step was trained.
Frames are found in the layout that convert has kept with the masks.

Examples:
  %(prog)s --data DATA --preset fast --title "First try"
  %(prog)s --resume RUNS/20260101-120000-unet-0123abcd
  %(prog)s --resume RUNS/20260101-120000-unet-0123abcd --epochs 20
"""

import argparse
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from cityseg.cli import EXIT_ALL, EXIT_SOME
from cityseg.cli.options import add_runs
from cityseg.cli.output import log_beside_bars, shown
from cityseg.cli.parser import Parser, program_name

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
    run, changes = _resumed(options) if options.resume else (_created(options), {})
    if run is None:
        return EXIT_ALL
    print(f"Run {run.path}")

    from cityseg.runs import following
    from cityseg.train import train_run

    with log_beside_bars(), following(run) as run:
        summary = train_run(run, changes)
    if summary["status"] == "stopped":
        print(f"Stopped. Continue with: {program_name()} train --resume {quote(str(run.path))}")
        return EXIT_SOME
    print(f"Done: best mean IoU {shown(summary['mean_iou'])} in epoch {summary['best_epoch']}.")
    return EXIT_ALL


def _created(options: argparse.Namespace) -> "RunDir":
    """A new run with the chosen settings, after all checks that need no run."""
    from cityseg.cli.flags import chosen_config
    from cityseg.runs import RunDir
    from cityseg.runs.checks import check_start, stores_of

    config = chosen_config(options)
    check_start(config, stores_of(config, options.runs))
    return RunDir.create(options.runs, config)


def _resumed(options: argparse.Namespace) -> "tuple[RunDir | None, dict[str, Any]]":
    """The run to resume, None if it is done, and what is changed; all checks are made."""
    from cityseg.cli.flags import resume_changes
    from cityseg.runs import RunDir
    from cityseg.runs.resuming import check_resume, resumed_config, why_done

    changes = resume_changes(options)
    run = RunDir.open(options.resume)
    if reason := why_done(run, changes):
        print(f"{reason}.")
        return None, changes
    check_resume(run, resumed_config(run, changes))
    return run, changes
