"""Score a network on a split, at label resolution.

Writes the scores as JSON, and beside them the counts of every frame (.npz).
The frames are those of the dataset that the network was trained on, unless
--data names another one.
Frames and annotations are read as for the masks of DATA: with the layout, the
encoding and the label map of the last convert.

Example: %(prog)s RUNS/20260101-120000-unet-0123abcd
"""

import argparse
import logging
from pathlib import Path

from cityseg.cli.options import add_network, add_network_data, beside_network, dataset_of, masks_of
from cityseg.cli.output import print_scores, progress_bar, status_of
from cityseg.cli.parser import Parser

logger = logging.getLogger(__name__)


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add_network(parser)
    add_network_data(parser, "Split to score")
    add = parser.add_argument
    add(
        "--at-training-size",
        action="store_true",
        help="Score at the size of training, as the validation in training does, and not at label "
        "resolution; without iIoU.",
    )
    add(
        "--out",
        type=Path,
        metavar="FILE.json",
        help="File for the scores [scores-SPLIT.json in the run's folder, or for box in a folder "
        "of RUNS/.box; where a size is named, scores-SPLIT-HxW.json or "
        "scores-SPLIT-training-size.json].",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.evaluation import check_scores_file, replaced_scores
    from cityseg.runs import own_dataset

    out = options.out or _scores_file(options)
    data = options.data or dataset_of(options.checkpoint)
    if options.out or options.checkpoint.exists():  # else: the error is about the checkpoint
        check_scores_file(out)
    if replaced := replaced_scores(out, data, own_dataset(options.checkpoint)):
        logger.warning("%s", replaced)

    from cityseg.evaluation import checkpoint as evaluation

    with progress_bar("Evaluating", unit="frame") as progress:
        result = evaluation.evaluate(
            options.checkpoint,
            data,
            split=options.split,
            masks=masks_of(options.checkpoint, data),
            device=options.device,
            sliding=options.sliding,
            flip=options.flip,
            size_hw=options.size,
            at_training_size=options.at_training_size,
            progress=progress,
        )
    result.write(out)
    print_scores(result.store.scores(), len(result.store.names), out)
    return status_of(len(result.store.names), len(result.skipped))


def _scores_file(options: argparse.Namespace) -> Path:
    """Beside the network. Scores that are not those of label resolution get a name of their own."""
    what = options.split
    if options.size:
        what += "-{}x{}".format(*options.size)
    if options.at_training_size:
        what += "-training-size"
    return beside_network(options.checkpoint, f"scores-{what}.json")
