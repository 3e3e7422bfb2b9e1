"""A checkpoint on a split: every annotated frame is predicted and scored at label resolution."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import (
    LABEL_IDS,
    Frame,
    Reading,
    decode_frame,
    find_frames,
    kept_reading,
    missing_splits_message,
)
from cityseg.errors import CitysegError, ImageError, ScoreError, Skipped
from cityseg.evaluation.files import write_scores
from cityseg.evaluation.truth import (
    Counted,
    InstanceFaults,
    Truth,
    count_against,
    read_truth,
    reading_of_truth,
)
from cityseg.labels import LABEL_ID_OF_TRAIN_ID
from cityseg.metrics import ConfusionStore, FrameCounts
from cityseg.prediction import Predictor
from cityseg.system import (
    ProgressCallback,
    keep_freed_memory,
    map_in_threads,
    read_regular_file,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The result of `evaluate`: the counts of each frame, the skipped frames, and the settings.

    Each text of `skipped` is "frame: reason". `about` has what the JSON file says of the settings.
    """

    store: ConfusionStore
    skipped: list[str]
    about: dict[str, Any]

    def write(self, path: Path) -> Path:
        """Write the scores as JSON to `path` and the counts of each frame beside it.

        See `write_scores`; `check_scores_file` says before an evaluation whether that will work.
        """
        return write_scores(path, self.store, self.about)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedFrame:
    """An annotated frame in memory; `image` is (H, W, 3) uint8 RGB."""

    name: str
    image: Uint8Array
    truth: Truth


def evaluate(
    run_or_checkpoint: Path,
    root: Path,
    *,
    split: str = "val",
    masks: Path | None = None,
    device: str = "auto",
    sliding: bool = False,
    flip: bool = False,
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Predict every annotated frame of `split` below `root` and count it against its labels.

    Frames and annotations are found and read as for `masks` (default: `root`/masks), if these were
    made. `sliding` and `flip` are those of `Predictor.predict`. `progress` is called with (done,
    all) frames. Frames that cannot be read or counted are skipped and named; without a usable
    instance map, only the iIoU leaves a frame out. Raises CheckpointError, ConfigError if there is
    no such device, DatasetError, or ScoreError if no frame can be scored.
    """
    found = find_frames(root, [split], masks=masks)
    frames = [frame for frame in found if frame.label_ids or frame.polygons]
    if not frames:
        raise ScoreError(
            f"{root} has no annotated {split} frames: choose another split"
            f"{missing_splits_message(root, [split])}"
        )
    keep_freed_memory()
    predictor = Predictor.load(run_or_checkpoint, device)
    annotations = [frame.label_ids for frame in frames if frame.label_ids]
    reading = kept_reading(masks or root / "masks") or reading_of_truth(annotations)
    counts, skipped = _count(predictor, frames, reading, sliding, flip, progress)
    if not counts:
        raise ScoreError(
            f"None of the {len(frames)} {split} frames of {root} can be scored; "
            f"the first is {skipped[0]}"
        )
    about = {
        "checkpoint": str(predictor.checkpoint.path),
        "epoch": predictor.checkpoint.epoch,
        "split": split,
        "sliding": sliding,
        "flip": flip,
        "skipped": skipped,
    }
    return Evaluation(ConfusionStore.of(counts), skipped, about)


def _count(
    predictor: Predictor,
    frames: Sequence[Frame],
    reading: Reading,
    sliding: bool,
    flip: bool,
    progress: ProgressCallback | None,
) -> tuple[list[FrameCounts], list[str]]:
    """The counts of the frames, and a text for each frame that was skipped."""
    counts: list[FrameCounts] = []
    skipped: list[str] = []
    faults = InstanceFaults()

    def predictions(
        loaded: Iterable[LoadedFrame | Skipped],
    ) -> Iterator[tuple[LoadedFrame, Uint8Array] | Skipped]:
        for frame in loaded:
            if isinstance(frame, Skipped):
                yield frame
            else:
                yield frame, predictor.predict(frame.image, sliding=sliding, flip=flip).train_ids

    load = partial(_try_to_load, reading=reading)
    # Threads read the next frames and count the last ones while one is predicted. Each map is
    # closed before the one that it takes from.
    with (
        closing(map_in_threads(load, frames)) as loaded,
        closing(map_in_threads(_try_to_count, predictions(loaded))) as results,
    ):
        for done, (frame, result) in enumerate(zip(frames, results, strict=True), 1):
            if isinstance(result, Skipped):
                logger.warning("Skipped %s: %s", frame.name, result.detail)
                skipped.append(f"{frame.name}: {result.detail}")
            else:
                counts.append(result.counts)
                faults.add(frame.name, result)
            if progress:
                progress(done, len(frames))
    faults.report(counts)
    return counts, skipped


def _try_to_load(frame: Frame, reading: Reading) -> LoadedFrame | Skipped:
    try:
        return load_frame(frame, reading)
    except CitysegError as error:
        return Skipped.of(error)


def _try_to_count(predicted: tuple[LoadedFrame, Uint8Array] | Skipped) -> Counted | Skipped:
    if isinstance(predicted, Skipped):
        return predicted
    try:
        return count_prediction(*predicted)
    except ScoreError as error:
        return Skipped.of(error)


def load_frame(frame: Frame, reading: Reading = LABEL_IDS) -> LoadedFrame:
    """Read the picture and the annotation of a frame, which must be of one size.

    Raises CitysegError if a file is missing, damaged or of another size.
    """
    source = frame.label_ids or frame.polygons
    if frame.image is None or source is None:
        raise ScoreError(f"{'No image' if source else 'No annotation'} belongs to the frame")
    truth = read_truth(source, frame.instance_ids, reading)
    image = _read_frame(frame.image)
    if image.shape[:2] != truth.label_ids.shape:
        shapes = image.shape[:2], truth.label_ids.shape
        sizes = [f"{width}×{height}" for height, width in shapes]
        raise ScoreError(f"{frame.image} is {sizes[0]} pixels, but {source} is {sizes[1]}")
    return LoadedFrame(frame.name, image, truth)


def _read_frame(path: Path) -> Uint8Array:
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise ImageError(f"Cannot read {path}: {error.strerror}") from error
    return decode_frame(content, path)


def count_prediction(frame: LoadedFrame, train_ids: Uint8Array) -> Counted:
    """Count (H, W) uint8 predicted train ids against the annotation of a frame.

    Raises ScoreError if the annotation holds values that cannot be counted.
    """
    label_ids = as_uint8(cv2.LUT(train_ids, LABEL_ID_OF_TRAIN_ID))
    return count_against(frame.name, frame.truth, label_ids)
