"""Score a folder of predictions against a folder of ground truth.

Files are paired by name: as in the official evaluator, a prediction for the ground truth
`<city>_<seq>_<frame>_gtFine_labelIds.png` is any `<city>_<seq>_<frame>*.png`, at any depth.

Predictions may be label ids or train ids. A single frame cannot tell which: train ids 0–18 are all
valid label ids, and read as such they give wrong scores without an error. So every frame is counted
in both encodings until a value decides for one, and where none does, the caller has to.
"""

import logging
import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn, get_args

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import read_grey_png
from cityseg.errors import ScoreError
from cityseg.labels import IGNORE, LABEL_ID_OF_TRAIN_ID, NUM_CLASSES, NUM_LABEL_IDS
from cityseg.metrics import ConfusionStore, FrameCounts, count_frame
from cityseg.system import ProgressCallback, map_in_threads

logger = logging.getLogger(__name__)

#: How the values of a prediction are to be read.
Encoding = Literal["labelids", "trainids"]
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)

_NOUN: Final[Mapping[Encoding, str]] = {"labelids": "label id", "trainids": "train id"}
_VALUES: Final[Mapping[Encoding, Sequence[int]]] = {
    "labelids": range(NUM_LABEL_IDS),
    "trainids": (*range(NUM_CLASSES), IGNORE),
}
_TRUTH: Final = "_gtFine_labelIds.png"
_INSTANCES: Final = "_gtFine_instanceIds.png"


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFolders:
    """The result of `score_folders`: the encoding of the predictions, and the counts."""

    encoding: Encoding
    store: ConfusionStore


def score_folders(
    predictions: Path,
    ground_truth: Path,
    *,
    encoding: Encoding | None = None,
    progress: ProgressCallback | None = None,
) -> ScoredFolders:
    """Count every ground truth below one folder against its prediction below another.

    Without `encoding`, at least one prediction must have a value that only one encoding has: 19–33
    for label ids, 255 for train ids. `progress` is called with (done, all) frames.

    Raises ScoreError if files cannot be paired or read, differ in size, or hold values that do not
    belong to `encoding`; without `encoding` also if the values fit neither encoding, or both.
    """
    pairs = find_pairs(predictions, ground_truth)
    encodings = (encoding,) if encoding else ENCODINGS
    tally = _Tally(encodings)
    count = partial(_count_pair, encodings=encodings)
    with closing(map_in_threads(count, pairs)) as counting:
        for done, (pair, counts) in enumerate(zip(pairs, counting, strict=True), 1):
            tally.add(pair, counts)
            if progress:
                progress(done, len(pairs))
    without_instances = [pair for pair in pairs if not pair.instance_ids]
    if 0 < len(without_instances) < len(pairs):
        logger.warning(
            "%d of %d ground truths, such as %s, have no *%s beside them: iIoUs are undefined",
            *(len(without_instances), len(pairs), without_instances[0].label_ids, _INSTANCES),
        )
    return tally.result()


class Pair(NamedTuple):
    """The files of one frame; `stem` is `<city>_<seq>_<frame>`."""

    stem: str
    prediction: Path
    label_ids: Path
    instance_ids: Path | None


def find_pairs(predictions: Path, ground_truth: Path) -> list[Pair]:
    """Pair each ground truth below one folder with its prediction below another, sorted by stem.

    Raises ScoreError unless each ground truth has exactly one prediction.
    """
    truths: dict[str, Path] = {}
    for path in _files(ground_truth, _TRUTH):
        stem = path.name.removesuffix(_TRUTH)
        if stem in truths:
            raise ScoreError(
                f"Two files are the ground truth of {stem}, {truths[stem]} and {path}: name the "
                "folder of one split"
            )
        truths[stem] = path
    if not truths:
        raise ScoreError(f"No *{_TRUTH} is below {ground_truth}: name the folder of a split")
    candidates = sorted(_files(predictions, ".png"), key=lambda path: path.name)
    found = {stem: _of_frame(stem, candidates) for stem in sorted(truths)}
    if missing := [stem for stem, paths in found.items() if not paths]:
        raise ScoreError(
            f"Predictions of {len(missing)} of {len(found)} frames are missing: the first would be "
            f"{missing[0]}*.png, anywhere below {predictions}"
        )
    return [
        Pair(stem, _only(stem, paths), truths[stem], _instances_beside(truths[stem]))
        for stem, paths in found.items()
    ]


def _files(folder: Path, ending: str) -> list[Path]:
    """The files below `folder` whose name has this ending, also behind links to folders."""
    if not folder.is_dir():
        raise ScoreError(f"There is no folder {folder}: check the path")
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        status = Path(top).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link back to where the walk has been
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        found += [Path(top, name) for name in names if name.endswith(ending)]
    return found


def _refuse_folder(error: OSError) -> NoReturn:
    """Without it, `os.walk` passes over a folder that it cannot read: fewer frames would count."""
    raise ScoreError(
        f"The folder {error.filename} cannot be read ({error.strerror}): check its permissions"
    ) from error


def _of_frame(stem: str, candidates: Sequence[Path]) -> list[Path]:
    """Those of `candidates`, sorted by name, that start with `stem` and not a longer number."""
    paths: list[Path] = []
    for path in candidates[bisect_left(candidates, stem, key=lambda path: path.name) :]:
        if not path.name.startswith(stem):
            break
        if not path.name[len(stem)].isdigit():
            paths.append(path)
    return paths


def _only(stem: str, paths: Sequence[Path]) -> Path:
    if len(paths) > 1:
        raise ScoreError(
            f"Two files are the prediction of {stem}, {paths[0]} and {paths[1]}: keep one of them"
        )
    return paths[0]


def _instances_beside(label_ids: Path) -> Path | None:
    path = label_ids.with_name(label_ids.name.removesuffix(_TRUTH) + _INSTANCES)
    return path if path.is_file() else None


#: By encoding: the counts of a frame read in it, or the first value that is not one of its ids.
_Counts = Mapping[Encoding, FrameCounts | int]


def _count_pair(pair: Pair, encodings: Sequence[Encoding]) -> _Counts:
    truth = read_grey_png(pair.label_ids, np.uint8)
    predicted = read_grey_png(pair.prediction, np.uint8, truth.shape)
    instance_ids = None
    if pair.instance_ids:
        instance_ids = read_grey_png(pair.instance_ids, np.uint16, truth.shape)
    present = np.flatnonzero(cv2.calcHist([predicted], [0], None, [256], [0, 256]))
    counts: dict[Encoding, FrameCounts | int] = {}
    for encoding in encodings:
        if (unknown := np.setdiff1d(present, _VALUES[encoding])).size:
            counts[encoding] = int(unknown[0])
            continue
        label_ids = predicted if encoding == "labelids" else _label_ids_of_train_ids(predicted)
        try:
            counts[encoding] = count_frame(pair.stem, truth, label_ids, instance_ids)
        except ScoreError as error:
            raise ScoreError(f"{pair.label_ids}: {error}") from error
    return counts


def _label_ids_of_train_ids(train_ids: Uint8Array) -> Uint8Array:
    return as_uint8(cv2.LUT(train_ids, LABEL_ID_OF_TRAIN_ID))


class _Tally:
    """The counts of all frames, in each encoding that their values have allowed so far."""

    def __init__(self, encodings: Sequence[Encoding]) -> None:
        self.frames: dict[Encoding, list[FrameCounts]] = {encoding: [] for encoding in encodings}
        self.refusals: dict[Encoding, str] = {}

    def add(self, pair: Pair, counts: _Counts) -> None:
        for encoding, count in counts.items():
            if isinstance(count, FrameCounts):
                self.frames[encoding].append(count)
            else:
                reason = f"{pair.prediction} holds {count}, which is not a {_NOUN[encoding]}"
                self.refusals.setdefault(encoding, reason)
        if len(self.refusals) == len(self.frames):
            raise ScoreError(
                f"{' and '.join(self.refusals.values())}: write all predictions as label ids "
                f"(0–{NUM_LABEL_IDS - 1}) or all as train ids (0–{NUM_CLASSES - 1} and {IGNORE})"
            )

    def result(self) -> ScoredFolders:
        allowed = [encoding for encoding in self.frames if encoding not in self.refusals]
        stores = {encoding: ConfusionStore.of(self.frames[encoding]) for encoding in allowed}
        if len(stores) == 1:
            return ScoredFolders(*stores.popitem())
        accuracies = [
            f"as {_NOUN[encoding]}s, {store.scores().pixel_accuracy:.1%} of the pixels are correct"
            for encoding, store in stores.items()
        ]
        raise ScoreError(
            f"The predictions hold only values up to {NUM_CLASSES - 1}, which both label ids and "
            f"train ids have: name the encoding, {' or '.join(ENCODINGS)} "
            f"(read {'; '.join(accuracies)})"
        )
