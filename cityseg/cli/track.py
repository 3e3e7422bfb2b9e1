"""Send a run to Weights & Biases.

For runs that were trained without tracking, or whose tracking was cut off: what
Weights & Biases has already is not sent again. Without a key or a network, the
run is kept offline, with the command that uploads it later.

Examples:
  %(prog)s RUNS/20260101-120000-unet-0123abcd
  %(prog)s RUN --mode offline --follow
"""

import argparse

from cityseg.cli import EXIT_NOTHING
from cityseg.cli.options import add_run, chosen_run
from cityseg.cli.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add_run(parser)
    parser.add_argument(
        "--mode",
        choices=("online", "offline"),
        help="Whether to upload [as the run's settings say; online where they say off].",
    )
    parser.add_argument(
        "--follow", action="store_true", help="Continue until the training has ended."
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg import jobs

    run = chosen_run(options)
    wanted = options.mode or run.config().wandb
    status = jobs.track(run, "online" if wanted == "off" else wanted, follow=options.follow)
    if status != EXIT_NOTHING:
        print(jobs.tracking_outcome(run))
    return status
