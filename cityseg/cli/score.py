"""Score a folder of predictions against ground truth, or check an archive for the server.

--check says whether the evaluation server of Cityscapes would take a zip:
names, number, sizes and values of its predictions of the test split of DATA.

Examples: %(prog)s --pred predictions/labelids --gt DATA/gtFine/val
          %(prog)s --check submission.zip --data DATA
"""

import argparse
from pathlib import Path

from cityseg.cli.options import add_layout
from cityseg.cli.output import print_scores, progress_bar, report_submission, status_of
from cityseg.cli.parser import Parser
from cityseg.defaults import DATASET_VARIABLE, default_root
from cityseg.errors import CitysegError, DatasetError


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.data import ENCODINGS

    add = parser.add_argument
    add(
        "--pred",
        type=Path,
        metavar="DIR",
        help="Folder of predictions, each a PNG whose name begins with its frame's.",
    )
    add(
        "--gt",
        type=Path,
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
    add("--check", type=Path, metavar="FILE.zip", help="Archive to check instead.")
    add(
        "--data",
        type=Path,
        metavar="DATA",
        help=f"Cityscapes folder with the test frames of --check [${DATASET_VARIABLE} or ./data].",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    if options.check and not (options.pred or options.gt):
        return _check(options.check, options.data)
    if options.check or options.data or not (options.pred and options.gt):
        raise CitysegError("score needs --pred and --gt, or --check alone with --data")
    return _score(options)


def _check(path: Path, data: Path | None) -> int:
    from cityseg.export import check_submission, expected_sizes

    sizes = None
    try:
        sizes = expected_sizes(data or default_root())
    except DatasetError:
        if data:
            raise
    with progress_bar("Checking", unit="frame") as progress:
        check = check_submission(path, sizes, progress)
    return report_submission(path, check)


def _score(options: argparse.Namespace) -> int:
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
    print_scores(result.store.scores(), len(result.store.names))
    if options.out:  # after they were printed: a full disk loses the file alone
        about = {
            "predictions": str(options.pred),
            "ground_truth": str(options.gt),
            "encoding": result.encoding,
            "skipped": result.skipped,
        }
        write_scores(options.out, result.store, about)
        print(f"Written to {options.out}.")
    return status_of(len(result.store.names), len(result.skipped))
