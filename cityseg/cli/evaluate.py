"""Score a network on a split, at label resolution.

Writes the scores as JSON, and beside them the counts of every frame (.npz).
The frames are those of the dataset that the network was trained on, unless
--data names another one.
Frames and annotations are read as for the masks of DATA: with the encoding and
the label map of the last convert, and its layout unless --layout names another.

Example: %(prog)s RUNS/20260101-120000-unet-0123abcd
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cityseg.cli.options import (
    OWN_LEDGER,
    REVIEW_HELP,
    add_network,
    add_network_data,
    beside_network,
    chosen_network,
    dataset_of,
    ledger_of,
    on_a_split,
)
from cityseg.cli.output import print_scores, progress_bar, shown, status_of
from cityseg.cli.parser import Parser
from cityseg.defaults import default_runs
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.evaluation import ReviewScores
    from cityseg.metrics import Scores

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
    add(
        "--review",
        nargs="?",
        const=OWN_LEDGER,
        type=str,
        metavar="LEDGER",
        help="Ledger of reviewed regions: also score without those that have a wrong label."
        + REVIEW_HELP,
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    network = chosen_network(options)
    from cityseg.evaluation import check_scores_file, replaced_scores
    from cityseg.runs import own_dataset

    out = options.out or _scores_file(options)
    data = options.data or dataset_of(options.checkpoint)
    if options.out or options.checkpoint.exists():  # else: the error is about the checkpoint
        check_scores_file(out)
    if replaced := replaced_scores(out, data, own_dataset(options.checkpoint)):
        logger.warning("%s", replaced)

    ledger = _ledger(options, data)
    from cityseg.evaluation import checkpoint as evaluation

    with progress_bar("Evaluating", unit="frame") as progress:
        result = evaluation.evaluate(
            network,
            data,
            **on_a_split(options, data),
            at_training_size=options.at_training_size,
            review=ledger,
            progress=progress,
        )
    scores = result.scores
    print_scores(scores, len(result.store.names))
    result.write(out)  # after they were printed: a full disk loses the file alone
    print(f"Written to {out}.")
    if result.reviewed and (review := result.review):
        _print_review(scores, review, result.reviewed.flagged.notes)
    return status_of(len(result.store.names), len(result.skipped))


def _ledger(options: argparse.Namespace, data: Path) -> Path | None:
    """The ledger to score with; that of the dataset lies beside the runs of the network."""
    if options.review is None:
        return None
    is_run = (options.checkpoint / "config.json").is_file()
    runs = options.checkpoint.resolve().parent if is_run else default_runs()
    return Path(options.review or ledger_of(data, runs))


def _print_review(scores: "Scores", review: "ReviewScores", notes: Sequence[str]) -> None:
    """Print what changes without the regions whose labels are wrong."""
    if review.regions:
        regions, frames = counted(review.regions, "region"), counted(review.frames, "frame")
        print(
            f"Without {regions} of {frames} whose labels are wrong: mean IoU "
            f"{shown(review.mean_iou)} instead of {shown(scores.mean_iou)}, pixel accuracy "
            f"{shown(review.pixel_accuracy)} instead of {shown(scores.pixel_accuracy)}."
        )
        if (share := review.share_of_labels) is not None:
            print(f"{share:.1%} of the wrong pixels lie in these regions.")
    else:
        print(f"No region of these frames has a wrong label by {review.ledger}.")
    for note in notes:
        logger.warning("%s", note)


def _scores_file(options: argparse.Namespace) -> Path:
    """Beside the network. Scores that are not those of label resolution get a name of their own."""
    what = options.split
    if options.size:
        what += "-{}x{}".format(*options.size)
    if options.at_training_size:
        what += "-training-size"
    return beside_network(options.checkpoint, f"scores-{what}.json")
