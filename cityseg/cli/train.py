"""Train a network, or resume a run.

Every run has a folder below RUNS with its settings, metrics, checkpoints and
log. Ctrl-C saves the state and stops the run; --resume continues it exactly.
A resumed run keeps its settings, except those that belong to the machine
(--data, --masks, --store, --device, --devices), --epochs and --patience.
--start-from and --weights may be named again; they count only if no step was
trained.
Frames are found in the layout that convert has kept with the masks.

--on slurm or ray trains the run as a job of a cluster and shows its log;
Ctrl-C ends only what is shown. See `jobs --help` for the cluster's settings.

Examples:
  %(prog)s --data DATA --preset fast --title "First try"
  %(prog)s --resume RUNS/20260101-120000-unet-0123abcd
  %(prog)s --resume RUNS/20260101-120000-unet-0123abcd --epochs 20
"""

import argparse
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from cityseg.cli import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.cli.options import add_place, add_runs
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
    add_place(parser, "local")
    add_settings(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    if options.on not in (None, "local"):
        return _train_elsewhere(options)
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


def _train_elsewhere(options: argparse.Namespace) -> int:
    """Train a run on a cluster and show its log until it has ended; returns the exit status."""
    from cityseg import jobs
    from cityseg.cli.flags import chosen_config

    machine = jobs.machine_at(options.on)
    if options.resume:
        run, changes = _resumed(options)
        if run is None or not jobs.resume(run, changes, machine=machine):
            return EXIT_ALL
    else:
        run = jobs.start(chosen_config(options), options.runs, machine=machine)
    state = jobs.state(run)
    print(f"Run {run.path}\n{state.phase.capitalize()}: {state.text}", flush=True)
    try:
        for piece in jobs.follow(run):
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print(f"\nIt continues. Stop it with: {program_name()} jobs stop {quote(str(run.path))}")
        return EXIT_SOME
    state = jobs.state(run)
    print(f"{state.phase.capitalize()}: {state.text}")
    statuses = {"done": EXIT_ALL, "stopped": EXIT_SOME}
    return statuses.get(state.phase, EXIT_NOTHING)


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
