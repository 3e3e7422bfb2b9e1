"""A checkpoint on a split: every annotated frame is predicted and scored at label resolution."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from cityseg.arrays import Uint8Array
from cityseg.config import TrainConfig
from cityseg.data import (
    Frame,
    Reading,
)
from cityseg.errors import ScoreError, Skipped
from cityseg.evaluation.files import write_scores
from cityseg.evaluation.frames import (
    LoadedFrame,
    PredictStream,
    annotated_frames,
    count_prediction,
    each_predicted,
    evaluated_frames,
    how_to_read,
)
from cityseg.evaluation.reviewed import Reviewed, ReviewScores, without_areas
from cityseg.evaluation.truth import (
    Counted,
    InstanceFaults,
    Truth,
    check_classes,
)
from cityseg.geometry import prediction_geometry, training_geometry
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import ConfusionStore, FrameCounts, Scores
from cityseg.prediction import Predictor
from cityseg.review import Flagged, read_flagged
from cityseg.runs import AnyNetwork, ForeignNetwork
from cityseg.runs.checkpoints import Checkpoint
from cityseg.runs.checks import used_frames
from cityseg.runs.state_dicts import load_network
from cityseg.system import (
    ProgressCallback,
    keep_freed_memory,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`: the counts of each frame, the skipped frames, and the settings.

    Each text of `skipped` is "frame: reason". `about` has what the JSON file says of the settings,
    `reviewed` the counts without the regions that a review has flagged; `classes` are those that
    the network has.
    """

    store: ConfusionStore
    skipped: list[str]
    about: dict[str, Any]
    reviewed: Reviewed | None = None
    classes: frozenset[str] = frozenset(CLASS_NAMES)

    @cached_property
    def scores(self) -> Scores:
        """The scores over all frames; those of classes that the network does not have are NaN."""
        return replace(self.store.scores(), classes=self.classes)

    @property
    def review(self) -> ReviewScores | None:
        """The scores without the regions that a review has flagged; None without a review."""
        return self.reviewed.compared_to(self.store) if self.reviewed else None

    def write(self, path: Path) -> Path:
        """Write the scores as JSON to `path` and the counts of each frame beside it.

        See `write_scores`; `check_scores_file` says before an evaluation whether that will work.
        """
        return write_scores(path, self.store, self.about, self.reviewed, self.scores)


def evaluate(
    network: AnyNetwork,
    root: Path,
    *,
    split: str = "val",
    masks: Path | None = None,
    layout: str | None = None,
    device: str = "auto",
    sliding: bool = False,
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    at_training_size: bool = False,
    review: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Predict every annotated frame of `split` below `root` and count it against its labels.

    `network` is that of `runs.state_dicts.load_network`; a state dict does not go with
    `at_training_size`. Frames and annotations are found and read as for `masks` (default:
    `root`/masks), if these were made, or found by `layout` as by `find_frames`. `sliding`, `flip`
    and `size_hw` are those of `Predictor.predict`. With `at_training_size`, which goes with none of
    them, pictures and labels are placed into the size of training and counted there, without
    instances: the scores are those of a validation in training. With the ledger `review`, frames
    are counted a second time without the regions whose labels are wrong by it. `progress` is called
    with (done, all) frames. Frames that cannot be read or counted are skipped and named; without a
    usable instance map, only the iIoU leaves a frame out. Raises CheckpointError, ModelError,
    ConfigError if there is no such device, DatasetError, ReviewError if there is no such ledger, or
    ScoreError if no frame can be scored or none has a pixel of a class.
    """
    frames = annotated_frames(root, split, masks, layout)
    options = {"sliding": sliding, "flip": flip, "size_hw": size_hw}
    if at_training_size:
        _check_training_size(network, options)
    keep_freed_memory()
    checkpoint = load_network(network)
    reading, pixel_aspect = how_to_read(root, masks, frames)
    if at_training_size:
        frames = _validated(frames, checkpoint.config, root)
        way = _at_training_size(checkpoint, device, pixel_aspect)
    else:
        way = _at_label_resolution(checkpoint, device, pixel_aspect, options)
    flagged = read_flagged(review, frames, split) if review else None
    counts, without, skipped = _count(frames, reading, _reviewed(way, flagged), progress)
    if not counts:
        raise ScoreError(
            f"None of the {len(frames)} {split} frames of {root} can be scored; "
            f"the first is {skipped[0]}"
        )
    store = ConfusionStore.of(counts)
    check_classes(store, f"of the {split} frames of {root}")
    about = {
        "checkpoint": str(checkpoint.path),
        "epoch": checkpoint.epoch,
        "data": str(root.absolute()),
        "split": split,
        "sliding": sliding,
        "flip": flip,
        "skipped": skipped,
        **checkpoint.described(),
    }
    if size_hw or at_training_size or isinstance(network, ForeignNetwork):
        about |= {"size": list(size_hw or checkpoint.config.size)}
        about |= {"at_training_size": at_training_size}
    classes = checkpoint.classes
    reviewed = Reviewed(ConfusionStore.of(without), flagged, classes) if flagged else None
    return Evaluation(store, skipped, about, reviewed, classes)


def _check_training_size(network: AnyNetwork, options: Mapping[str, Any]) -> None:
    """Raise ScoreError if the network, or the options of a prediction, do not allow it."""
    if any(options.values()):
        raise ScoreError(
            "At the training size every frame is predicted whole and once, as in training: leave "
            "--sliding, --flip and --size out"
        )
    if isinstance(network, ForeignNetwork):
        raise ScoreError(
            f"{network.path} does not say at which size its network was trained: leave "
            "--at-training-size out, and name the size to predict at with --size"
        )


def _validated(frames: list[Frame], config: TrainConfig, root: Path) -> list[Frame]:
    """`frames` without those that the run has left out of its own dataset."""
    if config.data.absolute() != root.absolute():
        return frames
    if config.exclude and not config.exclude.is_file():  # of weights without their run
        config = config.model_copy(update={"exclude": None})
    return used_frames(config, frames)


# --- ways to predict -------------------------------------------------------------------------

_Predicted = tuple[LoadedFrame, Uint8Array]


class _Way(NamedTuple):
    """How frames are changed after they were loaded, and predicted: both in their order."""

    prepare: Callable[[LoadedFrame], LoadedFrame]
    predict: PredictStream[Uint8Array]


def _at_label_resolution(
    checkpoint: Checkpoint, device: str, pixel_aspect: float, options: Mapping[str, Any]
) -> _Way:
    predictor = Predictor(checkpoint, device)
    is_warned = checkpoint.config.fit != "squash_in_training"

    def predict(frame: LoadedFrame) -> Uint8Array:
        nonlocal is_warned
        if not is_warned and _kept_proportions(checkpoint.config, frame):
            is_warned = True
            logger.warning("%s", _TWO_GEOMETRIES)
        return predictor.predict(frame.image, pixel_aspect=pixel_aspect, **options).train_ids

    return _Way(lambda frame: frame, each_predicted(predict))


#: Of networks of version 0.1.0, which had no single rule.
_TWO_GEOMETRIES: Final = (
    "This network was trained on frames squashed to its size, and is evaluated on frames that keep "
    "their proportions, as version 0.1.0 did both: --at-training-size scores it as in training"
)


def _kept_proportions(config: TrainConfig, frame: LoadedFrame) -> bool:
    return (
        prediction_geometry(config).placement(frame.truth.label_ids.shape).canvas_hw != config.size
    )


def _at_training_size(checkpoint: Checkpoint, device: str, pixel_aspect: float) -> _Way:
    """Frames and labels as the frame store has them, predicted in batches as validation does.

    Same arithmetic, same batches: other ones may round otherwise, and a pixel gets another class.
    """
    config = checkpoint.config
    geometry = training_geometry(config, pixel_aspect)
    predictor = Predictor(checkpoint, device, amp=config.amp, is_folded=False)

    def placed(truth: Truth) -> Truth:
        return Truth(geometry.place_labels(truth.label_ids, padding=0))  # unlabeled

    def prepare(frame: LoadedFrame) -> LoadedFrame:
        reviewed = frame.reviewed and placed(frame.reviewed)
        image = geometry.place_picture(frame.image)
        return LoadedFrame(frame.name, image, placed(frame.truth), reviewed)

    def predict(loaded: Iterable[LoadedFrame | Skipped]) -> Iterator[_Predicted | Skipped]:
        rest = iter(loaded)
        while batch := list(islice(rest, config.batch_size)):
            images = [frame.image for frame in batch if isinstance(frame, LoadedFrame)]
            classes = iter(predictor.predict_placed(images) if images else ())
            for frame in batch:
                yield frame if isinstance(frame, Skipped) else (frame, next(classes))

    return _Way(prepare, predict)


def _reviewed(way: _Way, flagged: Flagged | None) -> _Way:
    """`way`, whose frames also get a truth without the flagged regions, before they are resized."""
    if flagged is None:
        return way

    def prepare(frame: LoadedFrame) -> LoadedFrame:
        regions = flagged.regions.get(frame.name)
        if not regions:
            return way.prepare(frame)
        truth = without_areas(frame.truth, regions, f"The annotation of {frame.name}")
        return way.prepare(replace(frame, reviewed=truth))

    return way._replace(prepare=prepare)


def _count_both(frame: LoadedFrame, train_ids: Uint8Array) -> tuple[Counted, FrameCounts]:
    """The counts with all regions, and those without the flagged ones."""
    counted = count_prediction(frame, train_ids)
    if frame.reviewed is None:
        return counted, counted.counts
    return counted, count_prediction(replace(frame, truth=frame.reviewed), train_ids).counts


def _count(
    frames: Sequence[Frame], reading: Reading, way: _Way, progress: ProgressCallback | None
) -> tuple[list[FrameCounts], list[FrameCounts], list[str]]:
    """The counts of the frames, those without flagged regions, and a text for each one skipped."""
    counts: list[FrameCounts] = []
    without: list[FrameCounts] = []
    skipped: list[str] = []
    faults = InstanceFaults()
    results = evaluated_frames(frames, reading, way.predict, _count_both, prepare=way.prepare)
    with closing(results):
        for done, (frame, result) in enumerate(zip(frames, results, strict=True), 1):
            if isinstance(result, Skipped):
                logger.warning("Skipped %s: %s", frame.name, result.detail)
                skipped.append(f"{frame.name}: {result.detail}")
            else:
                counted, counts_without = result
                counts.append(counted.counts)
                without.append(counts_without)
                faults.add(frame.name, counted)
            if progress:
                progress(done, len(frames))
    faults.report()
    return counts, without, skipped
