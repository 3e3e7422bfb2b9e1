"""Make the dataset that the network in the box is trained on: links to both versions of the labels.

Half of the training frames have labels without the unsure pixels, which are right but few on what
is thin; the others, and those of validation, have labels for all pixels. exclude.txt in the new
folder names the frames whose full-size versions test the network.

Example: python -m cityseg pairs cityscapes_data --data BEST
         python -m cityseg pairs cityscapes_data --data VOID --unsure void
         python scripts/box_data.py BEST VOID DATA
         python -m cityseg convert DATA --encoding labelids --pixel-aspect 2
         python -m cityseg train --preset street --data DATA --exclude DATA/exclude.txt
"""

import argparse
import sys
from pathlib import Path
from typing import Final

import bootstrap

#: Frames whose full-size versions test the network.
_TESTED: Final = (
    *(f"aachen_{number:06d}_000019" for number in range(10)),
    *(f"bochum_000000_{number:06d}" for number in (313, 600, 885, 1097)),
)


def main() -> int:
    """Make the folder of links; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("best", type=Path, help="Cityscapes folder with labels for all pixels.")
    parser.add_argument("void", type=Path, help="The same with unsure pixels unlabeled.")
    parser.add_argument("out", type=Path, help="The folder to make.")
    options = parser.parse_args()
    counts = {"void": 0, "best": 0}
    for split in ("train", "val"):
        frames = [each for each in find_frames(options.best, (split,)) if each.label_ids]
        for number, frame in enumerate(frames):
            assert frame.label_ids  # noqa: S101 - only those are kept
            version = "void" if split == "train" and number % 2 == 0 else "best"
            path = frame.label_ids.relative_to(options.best)
            source = getattr(options, version) / path
            if not source.is_file():
                print(f"{source} is missing: make both from the same pairs", file=sys.stderr)
                return 1
            link(source, options.out / path)
            counts[version] += 1
    link(options.best / IMAGES, options.out / IMAGES)
    (options.out / "exclude.txt").write_text("".join(f"{name}\n" for name in _TESTED))
    print(
        f"{options.out}: {counts['best']} frames with all labels, {counts['void']} with sure ones."
    )
    return 0


def link(source: Path, target: Path) -> None:
    """Make `target` a link to `source`; one that is there is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    target.symlink_to(source.resolve())


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from cityseg.data import IMAGES, find_frames

    raise SystemExit(main())
