"""Collect evidence of a network on a split: where its scores come from.

One pass writes, for every frame, counts that add up (confusion, contours, kinds
of errors, confidence) and a table of its regions (Parquet), so that the scores
of any set of frames need no prediction again. A pass that was interrupted
continues where it ended; one that is done is only shown.

Example: %(prog)s RUNS/20260101-120000-unet-0123abcd --data DATA
"""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityseg.cli.options import add_network, add_network_data, beside_network, dataset_of, masks_of
from cityseg.cli.output import progress_bar, shown, status_of
from cityseg.cli.parser import Parser

if TYPE_CHECKING:
    from cityseg.evaluation import Evidence


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add_network(parser)
    add_network_data(parser, "Split to examine")
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="Folder for the evidence, a folder of its own in it for each network, split and "
        "content of the annotations [evidence in the run's folder, for box in a folder of "
        "RUNS/.box, for a weights file beside it].",
    )
    add(
        "--no-pictures",
        action="store_true",
        help="Keep no pictures of the predictions and of the confidence.",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.evaluation.evidence import collect_evidence
    from cityseg.system import check_output_folder

    network: Path = options.checkpoint
    data = options.data or dataset_of(network)
    out = options.out or beside_network(network, "evidence")
    if options.out or network.exists():  # else: the error is about the network
        check_output_folder(out)
    with progress_bar("Examining", unit="frame") as progress:
        evidence = collect_evidence(
            network,
            data,
            out,
            split=options.split,
            masks=masks_of(network, data),
            device=options.device,
            sliding=options.sliding,
            flip=options.flip,
            size_hw=options.size,
            with_pictures=not options.no_pictures,
            progress=progress,
        )
    _print_summary(evidence)
    return status_of(len(evidence.store.names), len(evidence.skipped))


def _print_summary(evidence: "Evidence") -> None:
    """Print what each score is, one a line."""
    from cityseg.metrics import boundary_iou, frame_means, mean_iou_interval, reliability

    scores, means = evidence.scores(), frame_means(evidence.frame_scores)
    interval = mean_iou_interval(evidence.class_confusions)
    boundary = boundary_iou(evidence.boundary())
    defined = boundary[[not math.isnan(each) for each in boundary]]
    bounds = f"{shown(interval.low)}–{shown(interval.high)}"
    lines = {
        "Mean IoU": f"{shown(scores.mean_iou)}  (95 % interval {bounds})",
        "Pixel accuracy": shown(scores.pixel_accuracy),
        "Mean IoU by frame": shown(means.by_frame),
        "Mean IoU by class over frames": shown(means.by_class),
        **{f"Worst {share:.0%} of the frames": shown(each) for share, each in means.worst.items()},
        "Boundary IoU": shown(float(defined.mean()) if defined.size else math.nan),
        "Mean iIoU": shown(scores.mean_instance_iou),
        "Calibration error (ECE)": shown(reliability(evidence.confidence()).error),
    }
    for name, value in lines.items():
        print(f"{name:<{_WIDTH}} {value}")
    print(f"{len(evidence.store.names):,} frames: {evidence.folder}")


_WIDTH: Final = 32
