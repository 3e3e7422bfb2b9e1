"""Paint a sample city in the Cityscapes layout."""

import argparse
from pathlib import Path

from cityseg.cli import EXIT_ALL
from cityseg.cli.options import whole_number
from cityseg.cli.output import progress_bar
from cityseg.cli.parser import Parser
from cityseg.wording import counted


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.sample import SPLITS

    add, count = parser.add_argument, whole_number(0)
    add("data", type=Path, metavar="DATA", help="Folder to create.")
    for split, number in zip(SPLITS, (48, 12, 4), strict=True):
        add(
            f"--{split}",
            type=count,
            default=number,
            metavar="N",
            help=f"Frames in the split {split} [{number}].",
        )
    add("--height", type=count, default=256, metavar="H", help="Of the frames, in pixels [256].")
    add("--width", type=count, default=512, metavar="W", help="Of the frames, in pixels [512].")
    add("--seed", type=count, default=0, metavar="S", help="Another seed is another city [0].")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.sample import SPLITS, make_sample

    frames = {split: getattr(options, split) for split in SPLITS}
    with progress_bar("Painting", unit="frame") as progress:
        make_sample(
            options.data,
            frames=frames,
            size_hw=(options.height, options.width),
            seed=options.seed,
            progress=progress,
        )
    size = f"{options.width}×{options.height}"
    print(f"Painted {counted(sum(frames.values()), 'frame')} of {size} in {options.data}.")
    return EXIT_ALL
