"""Send a run to Weights & Biases.

For runs that were trained without tracking, or whose tracking was cut off: what
Weights & Biases has already is not sent again. Without a key or a network, the
run is kept offline, with the command that uploads it later.

Examples:
  %(prog)s RUNS/20260101-120000-unet-0123abcd
  %(prog)s RUN --mode offline --follow
"""

import argparse
from typing import TYPE_CHECKING

from cityseg.cli import EXIT_NOTHING
from cityseg.cli.options import add_run, chosen_run
from cityseg.cli.parser import Parser

if TYPE_CHECKING:
    from cityseg.jobs.tracking import Mode
    from cityseg.runs import RunDir


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
    return send(chosen_run(options), options.mode, follow=options.follow)


def send(run: "RunDir", mode: "Mode | None" = None, *, follow: bool = False) -> int:
    """Send `run` to Weights & Biases and print where it is; returns the exit status.

    Without a `mode`: that of the run's settings, and online where they say off.
    """
    from cityseg import jobs

    wanted = mode or run.config().wandb
    status = jobs.track(run, "online" if wanted == "off" else wanted, follow=follow)
    if status != EXIT_NOTHING:
        print(jobs.tracking_outcome(run))
    return status
