"""Predict pictures: train ids, label ids, colours and overlays.

Example: %(prog)s RUNS/20260101-120000-unet-0123abcd a.png b.jpg --out predictions
"""

import argparse
from pathlib import Path

from cityseg.cli.options import add_network
from cityseg.cli.output import progress_bar, status_of
from cityseg.cli.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add_network(parser)
    add = parser.add_argument
    add("images", type=Path, nargs="+", metavar="IMAGE", help="A picture of any kind and size.")
    add("--out", type=Path, required=True, metavar="DIR", help="Folder for the predictions.")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.prediction import predict_files

    with progress_bar("Predicting", unit="picture") as progress:
        report = predict_files(
            options.checkpoint,
            options.images,
            options.out,
            sliding=options.sliding,
            flip=options.flip,
            device=options.device,
            progress=progress,
        )
    print(
        f"{options.out}: {len(report.written)} pictures predicted, {len(report.skipped)} skipped."
    )
    return status_of(len(report.written), len(report.skipped))
