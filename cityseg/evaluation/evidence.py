"""Evidence of a network on a split: one pass after which any subset's scores need no prediction.

Everything that `evaluate` counts, and beside it what explains the scores: contours, kinds of
errors, confidence, and a table of all regions. See `evidence_files` for what is written.
"""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from cityseg.arrays import as_uint8
from cityseg.config import TrainConfig
from cityseg.corruption import Corruption
from cityseg.data import Frame, Reading, ShardFolder, find_frames
from cityseg.errors import ScoreError, Skipped
from cityseg.evaluation.evidence_files import (
    ABOUT,
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
from cityseg.evaluation.evidence_key import about_pass, way_to_read
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
from cityseg.labels import TRAIN_ID_OF_LABEL_ID
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
from cityseg.runs import AnyNetwork
from cityseg.runs.checkpoints import Checkpoint
from cityseg.runs.checks import held_out
from cityseg.runs.state_dicts import load_network
from cityseg.system import (
    Lock,
    ProgressCallback,
    keep_freed_memory,
    read_or_none,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class EvidencePass:
    """A pass over the `frames` of a split that is to be done, or has been: see `plan_evidence`."""

    folder: Path
    about: EvidenceAbout
    checkpoint: Checkpoint
    device: str
    frames: Sequence[Frame]
    reading: Reading
    pixel_aspect: float
    options: Mapping[str, Any]
    corruption: Corruption | None
    with_pictures: bool

    def part(self, number: int) -> Sequence[Frame]:
        """The frames of a part."""
        return self.frames[number * PART_FRAMES : (number + 1) * PART_FRAMES]

    def examined(self, frames: Sequence[Frame]) -> Generator[FrameEvidence | Skipped, None, None]:
        """Read, predict and examine frames; yields the results in order."""
        return evaluated_frames(
            frames,
            self.reading,
            _predictions(self.checkpoint, self.device, self.pixel_aspect, self.options),
            examine_prediction,
            prepare=partial(_corrupted, corruption=self.corruption),
        )

    def found(self) -> Evidence | None:
        """What there is already, if it is done."""
        known = read_or_none(self.folder / ABOUT, EvidenceAbout)
        if known and known.is_done and known.data != self.about.data:
            # The dataset was moved, or this is a copy: the key says that the frames are the same.
            known = known.model_copy(update={"data": self.about.data})
            with suppress(OSError):  # it can be read all the same
                known.write(self.folder)
        return whole_evidence(self.folder, known) if known else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from the folder; raises ScoreError if one works there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = Lock.take_folder(self.folder)
        except BlockingIOError as error:
            raise ScoreError(
                f"Another process collects evidence in {self.folder}: wait for it, or stop it"
            ) from error
        with lock:
            yield

    def shards(self) -> ShardFolder:
        """Where shards of the pass keep what they have done until they are merged."""
        return ShardFolder.of(self.folder, "evidence", {"pictures": self.with_pictures})


def collect_evidence(
    network: AnyNetwork,
    root: Path,
    out: Path,
    *,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Evidence:
    """Do the pass that `plan_evidence` plans with the same arguments."""
    return collect_planned(plan_evidence(network, root, out, **options), progress)


def plan_evidence(
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
) -> EvidencePass:
    """A pass that predicts every annotated frame of `split` below `root`, and keeps what adds up.

    The frames, the options and the errors are those of `evaluate`, and so are the confusions. Its
    folder is `out`/<split>-<key>, where the key stands for the weights, the options, the content
    of every annotation and how it is read, and the `corruption` with which the pictures are made
    worse: other ones never mix. Of the training frames, those of a network's fold are examined.
    Classes that a network cannot answer have no scores.
    """
    frames = annotated_frames(root, split, masks, layout)
    keep_freed_memory()
    checkpoint = load_network(network)
    frames = _unseen(frames, checkpoint.config, root, masks, layout)
    reading, pixel_aspect = how_to_read(root, masks, frames)
    options = {"sliding": sliding, "flip": flip, "size_hw": size_hw}
    way = way_to_read(reading, pixel_aspect)
    parts = -(-len(frames) // PART_FRAMES)
    about = about_pass(checkpoint, root, split, options, frames, parts, way, corruption)
    return EvidencePass(
        out / f"{split}-{about.key[:12]}",
        about,
        checkpoint,
        device,
        frames,
        reading,
        pixel_aspect,
        options,
        corruption,
        with_pictures,
    )


def collect_planned(planned: EvidencePass, progress: ProgressCallback | None = None) -> Evidence:
    """Do what is left of a pass: all of it, or nothing if it is done.

    A pass that was interrupted continues. Raises ScoreError while another process works on it.
    """
    folder, about = planned.folder, planned.about
    with planned.held():
        if found := planned.found():
            return found
        _check_no_shard(planned)
        for leftover in folder.rglob(".*.part"):  # of a pass that was killed
            leftover.unlink(missing_ok=True)
        about.write(folder)
        begun = sum(1 for _ in whole_parts(folder, about.parts))
        advance = progress_after(begun * PART_FRAMES, progress)
        for _ in write_parts(planned, range(begun, about.parts), advance):
            pass
        about.model_copy(update={"is_done": True}).write(folder)
    return load_evidence(folder)


def progress_after(before: int, progress: ProgressCallback | None) -> ProgressCallback | None:
    """`progress` of what follows `before` frames that are done."""
    return progress and (lambda done, total: progress(before + done, before + total))


def _check_no_shard(planned: EvidencePass) -> None:
    for with_pictures in (True, False):
        shards = replace(planned, with_pictures=with_pictures).shards()
        if live := shards.live():
            raise ScoreError(
                f"Shard {live[0]} of the same command is at work in {shards.path}: wait for it, or "
                "stop it"
            )


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


def write_parts(
    planned: EvidencePass, numbers: Sequence[int], progress: ProgressCallback | None = None
) -> Iterator[tuple[int, int]]:
    """Collect and write some of the parts; yields for each how many frames it has and lacks.

    `progress` is called with (done, all) frames of these parts.
    """
    frames = [frame for number in numbers for frame in planned.part(number)]
    faults, done = InstanceFaults(), 0
    with closing(planned.examined(frames)) as results:
        for number in numbers:
            examined: list[FrameEvidence] = []
            skipped: list[str] = []
            for frame in planned.part(number):
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
            if planned.with_pictures:
                write_pictures(planned.folder, examined)
            write_part(planned.folder, number, examined, skipped)
            yield len(examined), len(skipped)
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
