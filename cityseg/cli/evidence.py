"""Collect evidence of a network on a split: where its scores come from.

One pass writes, for every frame, counts that add up (confusion, contours, kinds
of errors, confidence) and a table of its regions (Parquet), so that the scores
of any set of frames need no prediction again. A pass that was interrupted
continues where it ended; one that is done is only shown. Parts of --shard are
of 32 frames each.
With several corruptions, mPC is the mean over them of the mean over their
severities, and rPC that divided by the IoU of the frames as they are.

Example: %(prog)s RUNS/20260101-120000-unet-0123abcd --data DATA
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityseg.cli.options import (
    add_network,
    add_network_data,
    add_shards,
    beside_network,
    chosen_network,
    dataset_of,
    on_a_split,
)
from cityseg.cli.output import progress_bar, shown, status_of
from cityseg.cli.parser import Parser
from cityseg.corruption import CORRUPTIONS, Corruption, parse_corruptions
from cityseg.errors import EXIT_ALL, EXIT_SOME, ConfigError

if TYPE_CHECKING:
    from cityseg.evaluation import Evidence
    from cityseg.evaluation.evidence import EvidencePass


def corruption_list(text: str) -> list[Corruption]:
    """A type for `add_argument`: corruptions such as fog:3,rain or all."""
    try:
        return parse_corruptions(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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
        "--corrupt",
        type=corruption_list,
        action="extend",
        default=[],
        metavar="NAME:SEVERITY",
        help="Make the pictures worse: "
        f"{', '.join(CORRUPTIONS)}, with a severity of 1 to 5, such as fog:3. Several, such as "
        "fog:3,rain:3, a name without a severity, which has all five, or all:3 and all print a "
        "table beside the frames as they are.",
    )
    add(
        "--no-pictures",
        action="store_true",
        help="Keep no pictures of the predictions and of the confidence.",
    )
    add_shards(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.system import check_output_folder

    chosen_network(options)  # before the work: the options may contradict each other
    network: Path = options.checkpoint
    data = options.data or dataset_of(network)
    out = options.out or beside_network(network, "evidence")
    if options.out or network.exists():  # else: the error is about the network
        check_output_folder(out)
    corruptions: list[Corruption] = list(dict.fromkeys(options.corrupt))
    if options.shard:
        clean = [None] if len(corruptions) != 1 else []
        return _collect_shard(options, data, out, [*clean, *corruptions])
    if len(corruptions) < 2:
        (evidence,) = _collect(options, data, out, corruptions or [None])
        _print_summary(evidence)
        return status_of(len(evidence.store.names), len(evidence.skipped))
    return _compare(corruptions, _collect(options, data, out, [None, *corruptions]))


def _collect(
    options: argparse.Namespace, data: Path, out: Path, corruptions: Sequence[Corruption | None]
) -> "Iterator[Evidence]":
    from cityseg.evaluation.evidence import collect_planned
    from cityseg.evaluation.evidence_shards import merge_evidence

    for corruption in corruptions:
        planned = _planned(options, data, out, corruption)
        if options.merge:
            yield merge_evidence(planned)
        else:
            with _progress_bar(corruption) as progress:
                evidence = collect_planned(planned, progress)
            yield evidence


def _collect_shard(
    options: argparse.Namespace, data: Path, out: Path, corruptions: Sequence[Corruption | None]
) -> int:
    """Examine the frames of a shard, with each of the corruptions; returns the exit status."""
    from cityseg.evaluation.evidence_shards import collect_shard

    skipped = 0
    for corruption in corruptions:
        planned = _planned(options, data, out, corruption)
        with _progress_bar(corruption) as progress:
            counts = collect_shard(planned, options.shard, progress)
        print(f"{counts.examined:,} frames, {counts.skipped:,} skipped: {planned.folder}")
        skipped += counts.skipped
    return EXIT_SOME if skipped else EXIT_ALL  # a shard has done its work, whatever it skipped


def _planned(
    options: argparse.Namespace, data: Path, out: Path, corruption: Corruption | None
) -> "EvidencePass":
    from cityseg.evaluation.evidence import plan_evidence

    return plan_evidence(
        chosen_network(options),
        data,
        out,
        **on_a_split(options, data),
        corruption=corruption,
        with_pictures=not options.no_pictures,
    )


def _progress_bar(
    corruption: Corruption | None,
) -> AbstractContextManager[Callable[[int, int], None]]:
    return progress_bar(f"Examining {corruption or ''}".rstrip(), unit="frame")


def _compare(corruptions: Sequence[Corruption], collected: "Iterator[Evidence]") -> int:
    """Print the scores of corruptions beside those of the frames as they are."""
    from cityseg.evaluation import frame_confusions, robustness_of
    from cityseg.metrics import ROBUSTNESS_ROWS

    clean = next(collected)
    skipped, confusions = len(clean.skipped), {}
    for corruption, evidence in zip(corruptions, collected, strict=True):
        confusions[corruption] = frame_confusions(evidence)
        skipped += len(evidence.skipped)
    found = robustness_of(clean, confusions)
    columns = {"clean": found.clean, **found.by_corruption, "mPC": found.mpc, "rPC": found.rpc}
    print(f"{'IoU':14}" + "".join(f"{name:>11}" for name in columns))
    for row, name in enumerate(ROBUSTNESS_ROWS):
        print(f"{name:14}" + "".join(f"{shown(float(each[row])):>11}" for each in columns.values()))
    print(
        f"{len(clean.store.names):,} frames, {len(corruptions)} corruptions: {clean.folder.parent}"
    )
    return status_of(len(clean.store.names), skipped)


def _print_summary(evidence: "Evidence") -> None:
    """Print what each score is, one a line."""
    from cityseg.metrics import boundary_iou, frame_means, mean_iou_interval, reliability

    if evidence.about.corruption:
        print(f"Pictures made worse: {evidence.about.corruption}")
    scores, means = evidence.scores(), frame_means(evidence.frame_scores)
    interval = mean_iou_interval(evidence.class_confusions, classes=evidence.classes)
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
