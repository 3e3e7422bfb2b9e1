"""Evidence of a network on a split: one pass after which any subset's scores need no prediction.

Everything that `evaluate` counts, and beside it what explains the scores: contours, kinds of
errors, confidence, and a table of all regions. See `evidence_files` for what is written.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from cityseg.arrays import as_uint8
from cityseg.config import TrainConfig
from cityseg.corruption import Corruption
from cityseg.data import Frame, Reading, find_frames, names_of_labels
from cityseg.errors import ScoreError, Skipped
from cityseg.evaluation.evidence_files import (
    ABOUT,
    FORMAT,
    PART_FRAMES,
    Evidence,
    EvidenceAbout,
    FrameEvidence,
    load_evidence,
    whole_evidence,
    whole_parts,
    write_part,
    write_pictures,
)
from cityseg.evaluation.frames import (
    LoadedFrame,
    PredictStream,
    annotated_frames,
    count_prediction,
    each_predicted,
    evaluated_frames,
    how_to_read,
)
from cityseg.evaluation.truth import InstanceFaults
from cityseg.labels import IGNORE, TRAIN_ID_OF_LABEL_ID
from cityseg.metrics import (
    NEAR_SHARE,
    boundary_counts,
    boundary_distance,
    confidence_counts,
    error_counts,
    find_overlaps,
    region_columns,
    region_errors,
)
from cityseg.prediction import (
    Predictor,
    UncertainPrediction,
    corrupt_picture,
    predict_uncertain,
)
from cityseg.runs import AnyNetwork, ForeignNetwork
from cityseg.runs.checkpoints import Checkpoint
from cityseg.runs.checks import held_out
from cityseg.runs.state_dicts import load_network
from cityseg.system import (
    Lock,
    ProgressCallback,
    file_digest,
    keep_freed_memory,
    read_or_none,
)

logger = logging.getLogger(__name__)


def collect_evidence(
    network: AnyNetwork,
    root: Path,
    out: Path,
    *,
    split: str = "val",
    masks: Path | None = None,
    layout: str | None = None,
    device: str = "auto",
    sliding: bool = False,
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    corruption: Corruption | None = None,
    with_pictures: bool = True,
    progress: ProgressCallback | None = None,
) -> Evidence:
    """Predict every annotated frame of `split` below `root`, and keep what adds up, below `out`.

    The frames, the options and the errors are those of `evaluate`, and so are the confusions. The
    folder is `out`/<split>-<key>, where the key stands for the weights, the options, the content
    of every annotation and how it is read, and the `corruption` with which the pictures are made
    worse: other ones never mix. Of the training frames, those of a network's fold are examined. A
    pass that was interrupted continues there, and one that is done is only opened. Raises
    ScoreError also while another process writes there.
    """
    frames = annotated_frames(root, split, masks, layout)
    if isinstance(network, ForeignNetwork) and IGNORE in network.train_ids:
        raise ScoreError(
            f"{network.path} is a network of other classes than the 19, of which evidence is "
            "collected: score it with evaluate"
        )
    keep_freed_memory()
    checkpoint = load_network(network)
    frames = _unseen(frames, checkpoint.config, root, masks, layout)
    reading, pixel_aspect = how_to_read(root, masks, frames)
    options = {"sliding": sliding, "flip": flip, "size_hw": size_hw}
    about = _about(
        checkpoint, root, split, options, frames, _way(reading, pixel_aspect), corruption
    )
    folder = out / f"{split}-{about.key[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = Lock.take_folder(folder)
    except BlockingIOError as error:
        raise ScoreError(
            f"Another process collects evidence in {folder}: wait for it, or stop it"
        ) from error
    with lock:
        known = read_or_none(folder / ABOUT, EvidenceAbout)
        if known and (found := whole_evidence(folder, known)):
            return found
        for leftover in folder.rglob(".*.part"):  # of a pass that was killed
            leftover.unlink(missing_ok=True)
        about.write(folder)
        begun = sum(1 for _ in whole_parts(folder, about.parts))
        missing = evaluated_frames(
            frames[begun * PART_FRAMES :],
            reading,
            _predictions(checkpoint, device, pixel_aspect, options),
            examine_prediction,
            prepare=partial(_corrupted, corruption=corruption),
        )
        with closing(missing):
            _write_missing(folder, frames, begun, missing, with_pictures, progress)
        about.model_copy(update={"is_done": True}).write(folder)
    return load_evidence(folder)


def _unseen(
    frames: list[Frame],
    config: TrainConfig,
    root: Path,
    masks: Path | None,
    layout: str | None,
) -> list[Frame]:
    """Of training frames, only the part that a network of a fold has not seen."""
    if not config.fold or frames[0].split != "train":
        return frames
    # Frames without an annotation count as well where the parts are made.
    part = held_out(config, find_frames(root, ["train"], layout, masks))
    names = {frame.name for frame in part}
    logger.info(
        "Only the %d training frames of part %s are examined, which the network has not seen",
        *(len(part), config.fold),
    )
    return [frame for frame in frames if frame.name in names]


def _about(
    checkpoint: Checkpoint,
    root: Path,
    split: str,
    options: Mapping[str, Any],
    frames: Sequence[Frame],
    way: Mapping[str, Any],
    corruption: Corruption | None,
) -> EvidenceAbout:
    """What is examined, how, and the key that stands for all of it."""
    weights = file_digest(checkpoint.path)
    identity = {
        "format": FORMAT,
        "weights": weights,
        **checkpoint.described(),
        "split": split,
        **options,
        **way,
        "annotations": [[frame.name, *_annotation_digests(frame)] for frame in frames],
    }
    clean_key = _digest(identity)
    return EvidenceAbout(
        key=_digest(identity | {"corruption": str(corruption)}) if corruption else clean_key,
        clean_key=clean_key,
        corruption=str(corruption or ""),
        weights=weights,
        checkpoint=str(checkpoint.path),
        epoch=checkpoint.epoch,
        data=str(root.absolute()),
        split=split,
        frames=len(frames),
        parts=-(-len(frames) // PART_FRAMES),
        **options,
    )


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(identity).encode(), digest_size=16).hexdigest()


def _way(reading: Reading, pixel_aspect: float) -> dict[str, Any]:
    """How frames are read: the same files read in another way are other annotations."""
    label_map = names_of_labels(reading.label_map)
    return {"encoding": reading.encoding, "label_map": label_map, "pixel_aspect": pixel_aspect}


def _annotation_digests(frame: Frame) -> list[str]:
    sources = frame.label_ids or frame.polygons, frame.instance_ids
    return [file_digest(path) if path else "" for path in sources]


def _write_missing(
    folder: Path,
    frames: Sequence[Frame],
    begun: int,
    results: Iterator[FrameEvidence | Skipped],
    with_pictures: bool,
    progress: ProgressCallback | None,
) -> None:
    """Write the parts from number `begun` on, of which `results` has the frames."""
    done = begun * PART_FRAMES
    faults = InstanceFaults()
    while part := frames[done : done + PART_FRAMES]:
        examined: list[FrameEvidence] = []
        skipped: list[str] = []
        for frame in part:
            result = next(results)
            if isinstance(result, Skipped):
                logger.warning("Skipped %s: %s", frame.name, result.detail)
                skipped.append(f"{frame.name}: {result.detail}")
            else:
                examined.append(result)
                faults.add(frame.name, result.counted)
            done += 1
            if progress:
                progress(done, len(frames))
        if with_pictures:
            write_pictures(folder, examined)
        write_part(folder, (done - 1) // PART_FRAMES, examined, skipped)
    faults.report()


def _predictions(
    checkpoint: Checkpoint, device: str, pixel_aspect: float, options: Mapping[str, Any]
) -> PredictStream[UncertainPrediction]:
    predictor = Predictor(checkpoint, device)
    return each_predicted(
        lambda frame: predict_uncertain(
            predictor, frame.image, pixel_aspect=pixel_aspect, **options
        )
    )


def _corrupted(frame: LoadedFrame, corruption: Corruption | None) -> LoadedFrame:
    """The frame with its picture made worse; its annotation stays."""
    if corruption is None:
        return frame
    return replace(frame, image=corrupt_picture(frame.image, corruption, frame.name))


def examine_prediction(frame: LoadedFrame, found: UncertainPrediction) -> FrameEvidence:
    """Count a prediction against the annotation of its frame.

    Raises ScoreError if the annotation holds values that cannot be counted.
    """
    counted = count_prediction(frame, found.train_ids)
    truth = as_uint8(cv2.LUT(frame.truth.label_ids, TRAIN_ID_OF_LABEL_ID))
    predicted, size_hw = found.train_ids, truth.shape
    overlaps = find_overlaps(truth, predicted)
    errors = region_errors(overlaps, boundary_distance(size_hw, NEAR_SHARE))
    return FrameEvidence(
        counted,
        boundary_counts(truth, predicted, boundary_distance(size_hw), overlaps),
        error_counts(overlaps, errors),
        confidence_counts(overlaps, found.uncertainty.confidence),
        region_columns(overlaps, found.uncertainty, errors),
        found.coarse_train_ids,
        found.coarse_confidence,
    )
