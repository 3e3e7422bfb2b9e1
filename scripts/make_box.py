"""Put a network into the box: its weights in half precision, and its card beside them.

The paths of this machine are left out. Files of scores that `evaluate` has written become columns
of the card, beside the scores of the validation in training.

Example: python scripts/make_box.py runs/20260101-120000-fpn-0123abcd \\
             --scores "Frankfurt, gtFine_sure=scores/sure.json"
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Final

import bootstrap

#: The largest weights file that the box takes, in bytes.
MOST_BYTES: Final = 12_000_000
BOX: Final = bootstrap.ROOT / "cityseg" / "models" / "box" / "street.safetensors"

TITLE: Final = "Street network"
DATA: Final = (
    "Cityscapes' split train at 256×256 pixels, squeezed from 2:1, without the 14 frames that the "
    "full-size test frames show; every second frame with the labels of gtFine_sure, the others "
    "with those of gtFine (`scripts/box_data.py` makes the folder). Validation: Frankfurt, 267 "
    "frames, gtFine. The encoder comes from ImageNet. Three trainings, each from the weights of "
    "the one before: 6 epochs of the preset, 11 at a smaller learning rate, and this one."
)
LICENCE: Final = (
    "**For non-commercial use only**, as the network was trained on Cityscapes: `LICENSE.md` "
    "beside this card has the terms. The code of cityseg is under the MIT licence."
)
LIMITS: Final = (
    "The network knows the 19 classes of Cityscapes, from the view of a car in Germany by day and "
    "in fair weather. At night, in rain or snow, indoors and from other views it is often wrong. "
    "Poles, signs and people far away are a few pixels wide at its size and are missed first. "
    "Do not use it where anybody's safety depends on it."
)


def main() -> int:
    """Write weights and card; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", type=Path, help="A run's folder, or a weights file.")
    parser.add_argument("--out", type=Path, default=BOX, help="The file to write [the box].")
    parser.add_argument(
        "--scores",
        action="append",
        default=[],
        metavar="NAME=FILE.json",
        help="Scores of these weights for the card; may be repeated.",
    )
    options = parser.parse_args()
    checkpoint = load_weights(find_weights(options.network))
    columns = [CardScores("Validation in training", checkpoint.scores)]
    for text in options.scores:
        name, _, file = text.rpartition("=")
        scores = json.loads(Path(file).read_bytes())
        if (epoch := scores.get("epoch")) != checkpoint.epoch:
            parser.error(
                f"{file} has the scores of epoch {epoch}, but the weights are those of "
                f"epoch {checkpoint.epoch}: evaluate them again"
            )
        columns.append(CardScores(name or Path(file).stem, scores))
    card = network_card(
        TITLE,
        checkpoint.config,
        checkpoint.epoch,
        columns,
        data=DATA,
        licence=LICENCE,
        limits=LIMITS,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
        weights = Path(scratch) / options.out.name
        save_for_others(checkpoint, weights)
        size = weights.stat().st_size
        if size > MOST_BYTES:
            print(
                f"The weights take {size / 1e6:.2f} MB, more than the {MOST_BYTES / 1e6:g} MB of "
                "the box: name a smaller network."
            )
            return 1
        weights.replace(options.out)
    options.out.with_suffix(".md").write_text(card, encoding="utf-8")
    print(f"{options.out}: {size / 1e6:.2f} MB, epoch {checkpoint.epoch}, with its card.")
    return 0


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from cityseg.runs import CardScores, find_weights, network_card
    from cityseg.runs.checkpoints import load_weights, save_for_others

    raise SystemExit(main())
