"""Score a folder of predictions against a folder of ground truth.

Files are paired by name (`pairing`). Ground truth is what `evaluate` reads: label ids, or polygons
where there are none, as they were read for the masks of that dataset, if any.

Predictions may be label ids or train ids. A single frame cannot tell which: train ids 0–18 are all
valid label ids, and read as such they give wrong scores without an error. So every frame is counted
in both encodings until a value decides for one, and where none does, the caller has to. If another
encoding explains the same values better, scores would be nonsense: the caller is asked too.
Predictions in Cityscapes colours, such as palette pictures, prove themselves and are read.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import (
    ENCODING_NAMES,
    GREY_ENCODINGS,
    LABEL_IDS_OF_VALUES,
    NO_LABEL,
    Encoding,
    Reading,
    examine_files,
    read_grey_png,
    read_label_ids,
    reading_of_folder,
)
from cityseg.errors import MaskError, ScoreError, Skipped
from cityseg.evaluation.pairing import Pair, find_pairs
from cityseg.evaluation.truth import (
    Counted,
    InstanceFaults,
    check_classes,
    count_against,
    read_truth,
    reading_of_truth,
)
from cityseg.labels import (
    CATEGORIES,
    CLASS_NAMES,
    IGNORE,
    LABEL_IDS_OF_CLASSES,
    NUM_CLASSES,
    NUM_LABEL_IDS,
    TRAIN_LABELS,
)
from cityseg.metrics import ConfusionStore, FrameCounts
from cityseg.system import ProgressCallback, map_in_threads

logger = logging.getLogger(__name__)

#: What the values of grey predictions may be where no encoding is given.
_DETECTED: Final[tuple[Encoding, ...]] = ("labelids", "trainids")
_NOUN: Final[Mapping[Encoding, str]] = {
    "labelids": "label id",
    "trainids": "train id",
    "trainids-void19": "train id or 19",
    "trainids-plus1": "train id + 1",
}
#: Another encoding explains predictions better if this much more of the pixels are correct in it.
_BETTER: Final = 0.05
#: The share of pixels that numbers of their own explain, and no network that is wrong at random.
_EXPLAINED: Final = 0.7
_ENOUGH_PIXELS: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFolders:
    """The result of `score_folders`: the encoding of the predictions, and the counts.

    Each text of `skipped` is "frame: reason", as in the result of `evaluate`.
    """

    encoding: Encoding
    store: ConfusionStore
    skipped: list[str] = field(default_factory=list)


def score_folders(
    predictions: Path,
    ground_truth: Path,
    *,
    encoding: Encoding | None = None,
    layout: str | None = None,
    progress: ProgressCallback | None = None,
) -> ScoredFolders:
    """Count every ground truth below one folder against its prediction below another.

    Without `encoding`, at least one grey prediction must have a value that only one encoding has:
    19–33 for label ids, 255 for train ids. `layout` is that of `find_truths`. `progress` is called
    with (done, all) frames.

    Ground truth that is damaged is skipped and named. Raises ScoreError if files cannot be paired,
    predictions cannot be read, differ in size, or hold values that do not belong to `encoding`, and
    if no frame can be scored; without `encoding` also if the values fit neither encoding, or both,
    or another one better, or have numbers of their own.
    """
    if encoding == "categories":
        raise ScoreError(
            "Category ids cannot give the scores of 19 classes: write predictions as label ids"
        )
    pairs = find_pairs(predictions, ground_truth, layout)
    encodings = (encoding,) if encoding else _encodings_of([pair.prediction for pair in pairs])
    tally = _Tally(encodings)
    skipped: list[str] = []
    faults = InstanceFaults()
    reading = reading_of_folder(ground_truth)
    reading = reading or reading_of_truth(pair.annotation for pair in pairs)
    count = partial(_count_pair, encodings=encodings, reading=reading)
    with closing(map_in_threads(count, pairs)) as counting:
        for done, (pair, counts) in enumerate(zip(pairs, counting, strict=True), 1):
            if isinstance(counts, Skipped):
                logger.warning("Skipped %s: %s", pair.name, counts.detail)
                skipped.append(f"{pair.name}: {counts.detail}")
            else:
                tally.add(pair, counts)
                faults.add(pair.name, next(c for c in counts.values() if isinstance(c, Counted)))
            if progress:
                progress(done, len(pairs))
    if len(skipped) == len(pairs):
        raise ScoreError(
            f"None of the {len(pairs)} frames of {ground_truth} can be scored; "
            f"the first is {skipped[0]}"
        )
    result = replace(tally.result(ask=encoding is None), skipped=skipped)
    check_classes(result.store, f"below {ground_truth}")
    faults.report()
    return result


def _encodings_of(predictions: Sequence[Path]) -> Sequence[Encoding]:
    """The encoding by colour that a sample of `predictions` has, else those of grey ones."""
    found = examine_files(predictions).encoding
    return (found,) if found in ("colors", "palette") else _DETECTED


#: By encoding: the counts of a frame read in it, or the first value that is not one of its ids.
_Counts = Mapping[Encoding, Counted | int]


def _count_pair(pair: Pair, encodings: Sequence[Encoding], reading: Reading) -> _Counts | Skipped:
    try:
        truth = read_truth(pair.annotation, pair.instance_ids, reading)
    except MaskError as error:
        if error.reason == "train_ids":  # no damage: the folder holds two encodings
            raise ScoreError(error.detail) from error
        return Skipped.of(error)
    predicted = _predicted(pair.prediction, encodings, truth.label_ids.shape)
    counts: dict[Encoding, Counted | int] = {}
    for encoding, label_ids in predicted.items():
        if isinstance(label_ids, int):
            counts[encoding] = label_ids
        else:
            counts[encoding] = count_against(pair.name, truth, label_ids)
    return counts


def _predicted(
    path: Path, encodings: Sequence[Encoding], shape_hw: tuple[int, ...]
) -> dict[Encoding, Uint8Array | int]:
    """A prediction's label ids in each encoding, or the first value that is not one of its ids."""
    (first, *_) = encodings
    if first in ("colors", "palette"):
        label_ids = _read_label_ids(path, first)
        if label_ids.shape != shape_hw:
            sizes = [f"{width}×{height}" for height, width in (label_ids.shape, shape_hw)]
            raise ScoreError(
                f"{path} is {sizes[0]} pixels, its ground truth {sizes[1]}: write it at that size"
            )
        return {first: label_ids}
    values = as_uint8(read_grey_png(path, np.uint8, shape_hw))
    present = np.flatnonzero(cv2.calcHist([values], [0], None, [256], [0, 256]))
    found: dict[Encoding, Uint8Array | int] = {}
    for encoding in encodings:
        table = LABEL_IDS_OF_VALUES[encoding]
        unknown = present[table[present] == NO_LABEL]
        if encoding == "labelids":  # the official evaluator refuses 255 in predictions
            unknown = present[present >= NUM_LABEL_IDS]
        if unknown.size:
            found[encoding] = int(unknown[0])
        elif encoding == "labelids":
            found[encoding] = values
        else:
            found[encoding] = as_uint8(cv2.LUT(values, np.maximum(table, 0).astype(np.uint8)))
    return found


def _read_label_ids(path: Path, encoding: Encoding) -> Uint8Array:
    try:
        return read_label_ids(path, encoding=encoding)
    except MaskError as error:
        raise ScoreError(error.detail) from error


class _Tally:
    """The counts of all frames, in each encoding that their values have allowed so far."""

    def __init__(self, encodings: Sequence[Encoding]) -> None:
        self.frames: dict[Encoding, list[FrameCounts]] = {encoding: [] for encoding in encodings}
        self.refusals: dict[Encoding, str] = {}

    def add(self, pair: Pair, counts: _Counts) -> None:
        for encoding, count in counts.items():
            if isinstance(count, Counted):
                self.frames[encoding].append(count.counts)
            else:
                reason = f"{pair.prediction} holds {count}, which is not a {_NOUN[encoding]}"
                self.refusals.setdefault(encoding, reason)
        if len(self.refusals) == len(self.frames):
            raise ScoreError(
                f"{' and '.join(self.refusals.values())}: write all predictions as label ids "
                f"(0–{NUM_LABEL_IDS - 1}) or all as train ids (0–{NUM_CLASSES - 1} and {IGNORE})"
            )

    def result(self, *, ask: bool) -> ScoredFolders:
        """The counts in the one encoding that is left; raises ScoreError if it is unclear.

        Without `ask` the caller has named the encoding, and a better one is only reported.
        """
        allowed = [encoding for encoding in self.frames if encoding not in self.refusals]
        stores = {encoding: ConfusionStore.of(self.frames[encoding]) for encoding in allowed}
        accuracies = {encoding: store.scores().pixel_accuracy for encoding, store in stores.items()}
        first = allowed[0]
        better = _better_encodings(stores[first], first, max(accuracies.values()))
        readings = "; ".join(
            f"as {noun}, {accuracy:.1%} of the pixels are correct"
            for noun, accuracy in [
                *((f"{_NOUN[each]}s", accuracies[each]) for each in allowed if each in _NOUN),
                *((ENCODING_NAMES[each], accuracy) for each, accuracy in better.items()),
            ]
        )
        if len(stores) > 1:
            raise ScoreError(
                f"The predictions hold only values up to {NUM_CLASSES - 1}, which both label ids "
                f"and train ids have: name the encoding with "
                f"--encoding {' or '.join([*better, *stores])} (read {readings})"
            )
        if better:
            message = (
                f"The predictions seem to be {ENCODING_NAMES[next(iter(better))]}, not "
                f"{_NOUN[first]}s (read {readings})"
            )
            if "categories" in better:
                message += ", which cannot give 19 classes: write them as label ids"
            else:
                message += f": name the encoding with --encoding {' or '.join([*better, first])}"
        else:
            message = _own_numbers(stores[first], first)
        if message and ask:
            raise ScoreError(message)
        if message:
            logger.warning("%s", message)
        return ScoredFolders(*stores.popitem())


def _better_encodings(
    store: ConfusionStore, encoding: Encoding, accuracy: float
) -> dict[Encoding, float]:
    """Encodings in which clearly more of the pixels than `accuracy` are correct; the best first.

    The counts are in label ids as read in `encoding`, so that no frame is counted again.
    """
    if encoding not in _NOUN:
        return {}
    everywhere = store.confusion.sum(axis=0, dtype=np.int64)
    confusion = everywhere[LABEL_IDS_OF_CLASSES]
    table = LABEL_IDS_OF_VALUES[encoding]
    values = np.flatnonzero(table[:IGNORE] != NO_LABEL)
    counts = confusion[:, table[values]]
    total = confusion.sum()
    found: dict[Encoding, float] = {}
    for other in GREY_ENCODINGS:
        if other == encoding or not total:
            continue
        if other == "categories":
            known = values < len(CATEGORIES)
            correct = _CATEGORIES_OF_CLASSES[:, np.newaxis] == values
        else:
            known = LABEL_IDS_OF_VALUES[other][values] != NO_LABEL
            correct = LABEL_IDS_OF_CLASSES[:, np.newaxis] == LABEL_IDS_OF_VALUES[other][values]
        share = counts[correct].sum() / total
        if not everywhere[:, table[values[~known]]].any() and share > (accuracy or 0) + _BETTER:
            found[other] = float(share)
    return dict(sorted(found.items(), key=lambda item: -item[1])[:2])


def _own_numbers(store: ConfusionStore, encoding: Encoding) -> str:
    """A message if each value stands for one class, but for another than in `encoding`; else "".

    So do the numbers of another tool or list of classes, and those of a network whose classes were
    put in another order.
    """
    confusion = store.confusion.sum(axis=0, dtype=np.int64)[LABEL_IDS_OF_CLASSES]
    total = confusion.sum()
    usual = confusion.argmax(axis=0)  # of each predicted label
    explained = confusion.max(axis=0).sum() / max(total, 1)
    correct = confusion[np.arange(NUM_CLASSES), LABEL_IDS_OF_CLASSES].sum() / max(total, 1)
    predicted = np.flatnonzero(confusion.any(axis=0))
    several = len(set(usual[predicted].tolist())) > 1
    enough = total >= _ENOUGH_PIXELS and several
    if not enough or explained < _EXPLAINED or correct > explained / 2:
        return ""
    label_id = int(predicted[confusion[:, predicted].sum(axis=0).argmax()])
    value = int(np.flatnonzero(LABEL_IDS_OF_VALUES.get(encoding, np.arange(256)) == label_id)[0])
    return (
        f"The predictions seem to have numbers of their own, not {ENCODING_NAMES[encoding]} "
        f"({correct:.1%} of the pixels are correct, and {explained:.1%} if each value stands for "
        f"the class that it lies on most, such as {value} for {CLASS_NAMES[usual[label_id]]}): "
        f"write them as label ids, or name the encoding with --encoding"
    )


_CATEGORIES_OF_CLASSES: Final = np.array([label.category_id for label in TRAIN_LABELS])
