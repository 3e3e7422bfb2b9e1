"""The annotated frames of a split, read, predicted and counted in a stream: in bounded memory."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

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
    pixel_aspect_of,
)
from cityseg.errors import CitysegError, ImageError, ScoreError, Skipped
from cityseg.evaluation.truth import Counted, Truth, count_against, read_truth, reading_of_truth
from cityseg.labels import LABEL_ID_OF_TRAIN_ID
from cityseg.system import map_in_threads, read_regular_file

#: What is predicted for a frame, and what is counted of that.
Predicted = TypeVar("Predicted")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedFrame:
    """An annotated frame in memory; `image` is (H, W, 3) uint8 RGB.

    `reviewed` is the truth without the regions that a review has flagged, None if there are none.
    """

    name: str
    image: Uint8Array
    truth: Truth
    reviewed: Truth | None = None


#: Predicts the frames of a stream, in their order; what was skipped passes through.
PredictStream = Callable[
    [Iterable[LoadedFrame | Skipped]], Iterator[tuple[LoadedFrame, Predicted] | Skipped]
]


def annotated_frames(
    root: Path, split: str, masks: Path | None, layout: str | None = None
) -> list[Frame]:
    """The frames of `split` with labels or polygons, found as by `find_frames`.

    Raises DatasetError, and ScoreError if there are none.
    """
    found = find_frames(root, [split], layout, masks)
    frames = [frame for frame in found if frame.label_ids or frame.polygons]
    if not frames:
        raise ScoreError(
            f"{root} has no annotated {split} frames: choose another split"
            f"{missing_splits_message(root, [split], layout, masks)}"
        )
    return frames


def how_to_read(root: Path, masks: Path | None, frames: Sequence[Frame]) -> tuple[Reading, float]:
    """The encoding of the annotations, as for the masks if these were made, and the pixel aspect.

    Raises ScoreError if the encoding is unclear.
    """
    masks = masks or root / "masks"
    annotations = [frame.label_ids for frame in frames if frame.label_ids]
    reading = kept_reading(masks) or reading_of_truth(annotations)
    return reading, pixel_aspect_of(root, masks, frames).value


def each_predicted(predict: Callable[[LoadedFrame], Predicted]) -> PredictStream[Predicted]:
    """`predict` for a stream, one frame at a time."""

    def stream(
        loaded: Iterable[LoadedFrame | Skipped],
    ) -> Iterator[tuple[LoadedFrame, Predicted] | Skipped]:
        for frame in loaded:
            yield frame if isinstance(frame, Skipped) else (frame, predict(frame))

    return stream


def evaluated_frames(
    frames: Iterable[Frame],
    reading: Reading,
    predict: PredictStream[Predicted],
    count: Callable[[LoadedFrame, Predicted], Result],
    *,
    prepare: Callable[[LoadedFrame], LoadedFrame] = lambda frame: frame,
) -> Generator[Result | Skipped, None, None]:
    """Read, `prepare`, `predict` and `count` each frame; yields the results in order.

    A frame for which reading or counting raises CitysegError is Skipped.
    """
    load = partial(_try_to_load, reading=reading, prepare=prepare)
    try_to_count = partial(_try_to_count, count=count)
    # Threads read the next frames and count the last ones while one is predicted. Each map is
    # closed before the one that it takes from.
    with (
        closing(map_in_threads(load, frames)) as loaded,
        closing(map_in_threads(try_to_count, predict(loaded))) as results,
    ):
        yield from results


def _try_to_load(
    frame: Frame, reading: Reading, prepare: Callable[[LoadedFrame], LoadedFrame]
) -> LoadedFrame | Skipped:
    try:
        return prepare(load_frame(frame, reading))
    except CitysegError as error:
        return Skipped.of(error)


def _try_to_count(
    predicted: tuple[LoadedFrame, Predicted] | Skipped,
    count: Callable[[LoadedFrame, Predicted], Result],
) -> Result | Skipped:
    if isinstance(predicted, Skipped):
        return predicted
    try:
        return count(*predicted)
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
