"""Measure how well labels are recovered from pairs: make pairs of full-size frames, and compare.

A pair is made as the known ones seem to be: picture and colour map of 2048×1024 are shrunk to
256×256 with antialiasing and stored side by side as one JPEG (chroma 4:2:0). The truth is the
genuine label map sampled at 256×256 (the centre of each block of 8×4), or the most frequent label
of the block. Colour-equal labels count as one. Every figure is about pixels of the 19 classes:

labelled        share that got one of the 19 classes
right           share of those labelled that got the right one
right of all    share of all of them
mean IoU        over the classes of the truth; pixels without a label count as missed

Example: python scripts/pairs_quality.py /data/cityscapes
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import bootstrap

SIDE: Final = 256
TRUTHS: Final = ("sampled", "majority")
METHODS: Final = ("nearest", "best", "void")


class MadePair(NamedTuple):
    """(256, 256, 3) uint8 RGB colour map after JPEG, and (256, 256) uint8 label ids by truth."""

    colors: Uint8Array
    truths: dict[str, Uint8Array]


def shrink_to_pair(picture: Uint8Array, label_ids: Uint8Array, quality: int, shrink: str) -> bytes:
    """Make the JPEG file of a pair; `shrink` is a filter of Pillow."""
    pair = Image.new("RGB", (2 * SIDE, SIDE))
    for left, half in ((0, picture), (SIDE, LABEL_ID_PALETTE[label_ids])):
        small = Image.fromarray(half).resize((SIDE, SIDE), Image.Resampling[shrink])
        pair.paste(small, (left, 0))
    file = io.BytesIO()
    pair.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def truths_of(label_ids: Uint8Array) -> dict[str, Uint8Array]:
    """Bring (H, W) uint8 label ids to 256×256 in the ways of TRUTHS."""
    high, wide = label_ids.shape[0] // SIDE, label_ids.shape[1] // SIDE
    blocks = label_ids.reshape(SIDE, high, SIDE, wide).transpose(0, 2, 1, 3)
    counts = [(blocks == label).sum((2, 3)) for label in range(label_ids.max() + 1)]
    return {
        "sampled": blocks[:, :, high // 2, wide // 2],
        "majority": np.argmax(counts, 0).astype(np.uint8),
    }


def compare(truth: Uint8Array, recovered: Uint8Array) -> IntArray:
    """(19, 20) int64: pixels by class of the truth and recovered class, 19 for none."""
    true, found = (TRAIN_ID_OF_LABEL_ID[labels].astype(np.int64) for labels in (truth, recovered))
    at = true != IGNORE
    cells = true[at] * (NUM_CLASSES + 1) + np.minimum(found[at], NUM_CLASSES)
    counts = np.bincount(cells, minlength=NUM_CLASSES * (NUM_CLASSES + 1))
    return counts.reshape(NUM_CLASSES, NUM_CLASSES + 1)


def recover(colors: Uint8Array) -> dict[str, Uint8Array]:
    """(H, W) uint8 label ids by each of METHODS."""
    best, unsure = recover_labels(colors)
    return {
        "nearest": nearest_labels(colors),
        "best": best,
        "void": np.where(unsure, np.uint8(0), best),
    }


def figures(counts: IntArray) -> tuple[float, float, float, float]:
    """Labelled, right, right of all, mean IoU of what `compare` counted."""
    hits, every, labelled = np.diag(counts), counts.sum(), counts[:, :NUM_CLASSES].sum()
    there = counts.sum(1) > 0
    union = counts.sum(1) + counts[:, :NUM_CLASSES].sum(0) - hits
    iou = hits[there] / union[there]
    return labelled / every, hits.sum() / labelled, hits.sum() / every, float(iou.mean())


def made_pairs(frames: list[Frame], quality: int, shrink: str) -> Iterator[MadePair]:
    """Make a pair of each frame, decoded as cityseg decodes it."""
    for frame in frames:
        assert frame.image  # noqa: S101 - chosen in `full_size_frames`
        assert frame.label_ids  # noqa: S101 - the same
        label_ids = read_label_ids(frame.label_ids)
        content = shrink_to_pair(read_image(frame.image), label_ids, quality, shrink)
        pair = decode_frame(content, frame.image)
        yield MadePair(np.ascontiguousarray(pair[:, SIDE:]), truths_of(label_ids))


def measure(pairs: Iterator[MadePair]) -> dict[tuple[str, str], IntArray]:
    """What `compare` counts over all pairs, by truth and method."""
    totals: dict[tuple[str, str], IntArray] = {}
    for pair in pairs:
        for method, labels in recover(pair.colors).items():
            for name, truth in pair.truths.items():
                counts = compare(truth, labels)
                totals[name, method] = totals.get((name, method), 0) + counts
    return totals


def full_size_frames(roots: list[Path]) -> list[Frame]:
    """The frames with picture and label map."""
    frames = [frame for root in roots for frame in find_frames(root, ("train", "val"))]
    return [frame for frame in frames if frame.image and frame.label_ids]


def milliseconds(function: Callable[[Uint8Array], object], colors: Uint8Array) -> float:
    """The median time of 20 calls, of this thread alone."""
    times = []
    for _ in range(20):
        start = time.thread_time()
        function(colors)
        times.append(time.thread_time() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("roots", type=Path, nargs="+", help="Folders with full-size Cityscapes.")
    parser.add_argument("--qualities", type=int, nargs="+", default=[75, 90])
    parser.add_argument("--filters", nargs="+", default=["BICUBIC", "BOX", "LANCZOS"])
    options = parser.parse_args()
    frames = full_size_frames(options.roots)
    print(f"{len(frames)} frames\n")
    print("| filter | quality | truth | labels | labelled | right | right of all | mean IoU |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for shrink in options.filters:
        for quality in options.qualities:
            totals = measure(made_pairs(frames, quality, shrink))
            for (truth, method), counts in sorted(totals.items(), key=_order):
                labelled, right, of_all, iou = figures(counts)
                print(
                    f"| {shrink.lower()} | {quality} | {truth} | {method} | {labelled:.1%} | "
                    f"{right:.2%} | {of_all:.2%} | {iou:.3f} |"
                )
    colors = next(made_pairs(frames, options.qualities[0], options.filters[0])).colors
    print(f"\n{milliseconds(recover_labels, colors):.0f} ms a pair on one core")


def _order(item: tuple[tuple[str, str], IntArray]) -> tuple[int, int]:
    (truth, method), _ = item
    return TRUTHS.index(truth), METHODS.index(method)


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    import numpy as np
    from PIL import Image

    from cityseg.arrays import IntArray, Uint8Array
    from cityseg.data import Frame, decode_frame, find_frames, read_image, read_label_ids
    from cityseg.data.pair_labels import nearest_labels, recover_labels
    from cityseg.labels import IGNORE, LABEL_ID_PALETTE, NUM_CLASSES, TRAIN_ID_OF_LABEL_ID

    main()
