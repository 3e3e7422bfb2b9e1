"""Score a folder of predictions against ground truth.

Example: %(prog)s --pred predictions/labelids --gt DATA/gtFine/val
"""

import argparse
from pathlib import Path

from cityseg.cli.options import add_layout
from cityseg.cli.output import print_scores, progress_bar, status_of
from cityseg.cli.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.data import ENCODINGS

    add = parser.add_argument
    add(
        "--pred",
        type=Path,
        required=True,
        metavar="DIR",
        help="Folder of predictions, each a PNG whose name begins with its frame's.",
    )
    add(
        "--gt",
        type=Path,
        required=True,
        metavar="DIR",
        help="Folder of the annotations, such as DATA/gtFine/val.",
    )
    add(
        "--encoding",
        choices=ENCODINGS,
        help="What the values of the predictions are [detected].",
    )
    add_layout(
        parser,
        "How the dataset of the annotations is laid out, where their names do not say",
        "that of its masks, or what the names say",
    )
    add(
        "--out",
        type=Path,
        metavar="FILE.json",
        help="File for the scores; the counts of every frame go beside it (.npz).",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.evaluation import check_scores_file, score_folders, write_scores

    if options.out:
        check_scores_file(options.out)
    with progress_bar("Scoring", unit="frame") as progress:
        result = score_folders(
            options.pred,
            options.gt,
            encoding=options.encoding,
            layout=options.layout,
            progress=progress,
        )
    if options.out:
        about = {
            "predictions": str(options.pred),
            "ground_truth": str(options.gt),
            "encoding": result.encoding,
            "skipped": result.skipped,
        }
        write_scores(options.out, result.store, about)
    print_scores(result.store.scores(), len(result.store.names), options.out)
    return status_of(len(result.store.names), len(result.skipped))
