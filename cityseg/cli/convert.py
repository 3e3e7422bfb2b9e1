"""Convert annotations to 19-class masks.

Masks that are up to date are kept, so an interrupted conversion continues
where it stopped. A frame that cannot be converted is skipped with a reason;
MASKS/report.json has an entry for each frame.

Example: %(prog)s DATA --splits train,val
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cityseg.cli.options import add_data, add_layout, add_shards, pixel_aspect, whole_number
from cityseg.cli.output import print_above_bars, progress_bar, status_of
from cityseg.cli.parser import Parser
from cityseg.errors import EXIT_ALL, EXIT_SOME, DatasetError
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.data import Report


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.data import ENCODINGS, SPLITS

    add_data(parser, "data", nargs="?")
    add = parser.add_argument
    add("--out", type=Path, metavar="MASKS", help="Folder for the masks [DATA/masks].")
    every = ",".join(SPLITS)
    add(
        "--splits",
        type=_splits,
        default=SPLITS,
        metavar="SPLITS",
        help=f"Splits to convert, separated by commas [{every}].",
    )
    add_layout(
        parser,
        "How the dataset is laid out, where its folders do not say",
        "that of the last conversion, or what the folders say",
        " It is kept with the masks: train, evaluate, score and the app use it, too.",
    )
    add("--max-images", type=whole_number(1), metavar="N", help="Stop after the first N frames.")
    add(
        "--label-map",
        type=Path,
        metavar="FILE",
        help="Labels of names that polygons have and Cityscapes does not: JSON, or lines such as "
        "Road = road; ignore in place of a label leaves the objects out [that of the last "
        "conversion].",
    )
    add(
        "--encoding",
        choices=ENCODINGS,
        help="What the values of the annotations are [what a sample of them shows].",
    )
    add(
        "--dry-run",
        action="store_true",
        help="Say what the values of the annotations are, and write nothing.",
    )
    add(
        "--verify",
        action="store_true",
        help="Decode every image, to find damage that the end of its file does not show.",
    )
    add(
        "--pixel-aspect",
        type=pixel_aspect,
        metavar="N",
        help="Width of a pixel divided by its height, such as 2 where 2:1 pictures were squeezed "
        "to squares [what an earlier call named, or official names prove, else 1].",
    )
    add("--workers", type=whole_number(1), metavar="N", help="Threads [one for each core].")
    add_shards(parser)
    parser.rewrite = _join_splits
    parser.set_defaults(command=run)


def _join_splits(arguments: Sequence[str]) -> list[str]:
    """`--splits train val`, the form of version 0.1.0, as `--splits train,val`.

    Only names of splits are joined, so what follows them is DATA.
    """
    from cityseg.data import SPLITS

    joined: list[str] = []
    for argument in arguments:
        if argument in SPLITS and joined[-2:-1] == ["--splits"]:
            joined[-1] += f",{argument}"
        else:
            joined.append(argument)
    return joined


def _splits(text: str) -> tuple[str, ...]:
    """The splits of a value such as `train,val`."""
    from cityseg.data import check_splits

    chosen = tuple(dict.fromkeys(text.split(",")))
    try:
        check_splits(chosen)
    except DatasetError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return chosen


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.data import (
        ENCODING_NAMES,
        Verdict,
        convert_planned,
        convert_shard,
        examine,
        find_frames,
        load_label_map,
        merge_masks,
        plan_conversion,
    )

    label_map = load_label_map(options.label_map) if options.label_map else None
    verdict = Verdict(options.encoding, "Named by --encoding") if options.encoding else None

    def announce(found: Verdict) -> None:
        print_above_bars(f"Encoding: {ENCODING_NAMES[found.checked()]}. {found.evidence}.")

    if options.dry_run:
        frames = find_frames(options.data, options.splits, options.layout, options.out)
        announce(verdict or examine(frames))
        return EXIT_ALL
    conversion = plan_conversion(
        options.data,
        options.out,
        splits=options.splits,
        max_images=options.max_images,
        workers=options.workers,
        label_map=label_map,
        verdict=verdict,
        layout=options.layout,
        verify=options.verify,
        pixel_aspect=options.pixel_aspect,
        warns=not options.shard,  # each of them would say the same
    )
    announce(conversion.verdict)
    with progress_bar("Converting", unit="frame") as progress:
        if options.shard:
            report = convert_shard(
                conversion, options.shard, workers=options.workers, progress=progress
            )
        elif options.merge:
            report = merge_masks(conversion)
        else:
            report = convert_planned(conversion, workers=options.workers, progress=progress)
    _print_summary(report)
    if options.shard:  # which has done its work, whatever it skipped
        return EXIT_SOME if report.skipped else EXIT_ALL
    if report.void_splits:
        raise DatasetError(
            f"No mask of {' and '.join(report.void_splits)} has a pixel of a class, so nothing can "
            "be learned or scored: check the annotations, or name their encoding with --encoding"
        )
    return status_of(report.converted, report.skipped)


def _print_summary(report: "Report") -> None:
    from cityseg.data import REASONS, WARNINGS

    if report.pixel_aspect and report.pixel_aspect.value != 1:
        print(
            f"Pixels: {report.pixel_aspect.value:g} times as wide as high. "
            f"{report.pixel_aspect.evidence}."
        )
    print(
        f"{counted(len(report.outcomes), 'frame')}: {report.converted:,} converted "
        f"({report.reused:,} of them before), {report.skipped:,} skipped."
    )
    for reason, count in report.reasons.items():
        print(f"{count:6,} {reason}: {REASONS[reason]}")
    for warning, count in report.warnings.items():
        print(f"{count:6,} {warning}: {WARNINGS[warning]}")
    if report.label_map:
        print(
            f"Label map: {counted(len(report.label_map), 'name')}, kept for later conversions; an "
            "empty file as --label-map ends that."
        )
    if report.layout_chosen:
        print(f"Layout: {report.layout}, kept for train, evaluate, score and the app.")
