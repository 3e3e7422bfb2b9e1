"""A checkpoint on a split, scored at label resolution by the official rules."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import Frame, decode_frame, find_frames, read_grey_png, read_label_ids
from cityseg.errors import CitysegError, ScoreError
from cityseg.evaluation.folders import write_scores
from cityseg.labels import LABEL_ID_OF_TRAIN_ID
from cityseg.metrics import ConfusionStore, FrameCounts, count_frame
from cityseg.prediction import Predictor
from cityseg.system import ProgressCallback, keep_freed_memory, map_in_threads

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` counted, and the frames it had to leave out, each with why."""

    counts: ConfusionStore
    skipped: list[str]
    about: dict[str, Any]

    def write(self, path: Path) -> Path:
        """Write the scores as JSON to `path` and the counts of each frame next to it."""
        return write_scores(path, self.counts, self.about)


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    image: Uint8Array
    label_ids: Uint8Array
    instance_ids: np.ndarray[Any, np.dtype[np.uint16]] | None


def evaluate(
    run_or_checkpoint: Path,
    root: Path,
    *,
    split: str = "val",
    device: str = "auto",
    sliding: bool = False,
    flip: bool = False,
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Predict every annotated frame of `split` below `root` and count it against its labels.

    Frames that cannot be read are skipped and named. Raises CheckpointError, DatasetError, or
    ScoreError if not one frame could be scored.
    """
    frames = [frame for frame in find_frames(root, [split]) if frame.label_ids or frame.polygons]
    if not frames:
        raise ScoreError(f"{root} has no annotated {split} frames: choose another split")
    keep_freed_memory()
    predictor = Predictor.load(run_or_checkpoint, device)
    counts, skipped = _count(predictor, frames, sliding, flip, progress)
    if not counts:
        raise ScoreError(f"none of {len(frames)} {split} frames can be scored, first: {skipped[0]}")
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
    sliding: bool,
    flip: bool,
    progress: ProgressCallback | None,
) -> tuple[list[FrameCounts], list[str]]:
    counts: list[FrameCounts] = []
    skipped: list[str] = []

    def predictions(loaded: Iterable[_Loaded | str]) -> Iterator[tuple[_Loaded, Uint8Array] | str]:
        for files in loaded:
            if isinstance(files, str):
                yield files
            else:
                image = files.image
                yield files, predictor.predict(image, sliding=sliding, flip=flip).train_ids

    # The next frames are read, and the last ones counted, while one is predicted.
    with (
        closing(map_in_threads(_load, frames)) as loaded,
        closing(map_in_threads(_count_loaded, predictions(loaded))) as outcomes,
    ):
        for done, (frame, outcome) in enumerate(zip(frames, outcomes, strict=True), 1):
            if isinstance(outcome, str):
                logger.warning("skipped %s: %s", frame.name, outcome)
                skipped.append(f"{frame.name}: {outcome}")
            else:
                counts.append(outcome)
            if progress:
                progress(done, len(frames))
    return counts, skipped


def _count_loaded(predicted: tuple[_Loaded, Uint8Array] | str) -> FrameCounts | str:
    if isinstance(predicted, str):
        return predicted
    files, train_ids = predicted
    label_ids = as_uint8(cv2.LUT(train_ids, LABEL_ID_OF_TRAIN_ID))
    return count_frame(files.name, files.label_ids, label_ids, files.instance_ids)


def _load(frame: Frame) -> _Loaded | str:
    """The frame's picture and maps, all of one size, or why not."""
    source = frame.label_ids or frame.polygons
    try:
        if frame.image is None or source is None:
            raise ScoreError("it has no image")
        label_ids = read_label_ids(source)
        image = decode_frame(frame.image.read_bytes(), frame.image)
        if image.shape[:2] != label_ids.shape:
            raise ScoreError(f"{source} and its image differ in size")
        instances = frame.instance_ids
        return _Loaded(
            frame.name,
            image,
            label_ids,
            read_grey_png(instances, np.uint16, label_ids.shape) if instances else None,
        )
    except (CitysegError, OSError) as error:
        return str(error)
