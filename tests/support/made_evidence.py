"""Evidence made of label maps, without a network."""

from collections.abc import Mapping
from pathlib import Path

import city
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.evaluation.evidence_files import (
    Evidence,
    EvidenceAbout,
    FrameEvidence,
    load_evidence,
    write_part,
    write_pictures,
)
from cityseg.evaluation.truth import Counted
from cityseg.labels import IGNORE, LABEL_ID_OF_TRAIN_ID
from cityseg.metrics import (
    Uncertainty,
    boundary_counts,
    confidence_counts,
    count_frame,
    error_counts,
    find_overlaps,
    region_columns,
    region_errors,
)


def make_evidence(
    folder: Path,
    data: Path,
    maps: Mapping[str, tuple[Uint8Array, Uint8Array]],
    confidence: int = 128,
    weights: str = "weights",
) -> Evidence:
    """Write frames and their evidence, in two parts, with pictures; returns the evidence.

    `maps` has the (H, W) uint8 train ids of the truth and of the prediction by the frames' stems,
    which lie in the split val. All pixels are equally sure, `confidence` of 255.
    """
    frames = []
    for stem, (truth, predicted) in maps.items():
        label_ids = np.where(truth == IGNORE, city.EGO_VEHICLE, LABEL_ID_OF_TRAIN_ID[truth])
        label_ids = label_ids.astype(np.uint8)
        photo = np.full((*truth.shape, 3), 100, np.uint8)
        city.write(city.image_path(data, stem, "val"), city.encode(photo))
        city.write(city.annotation_path(data, stem, "val"), city.encode(label_ids))
        name = f"val/{stem.partition('_')[0]}/{stem}"
        frames.append(_examined(name, truth, label_ids, predicted, confidence))
    convert(data)
    assert [frame.counts.name for frame in frames] == [f.name for f in find_frames(data, ["val"])]
    about = EvidenceAbout(
        key="key",
        weights=weights,
        checkpoint="best.safetensors",
        epoch=1,
        data=str(data),
        split="val",
        sliding=False,
        flip=False,
        size_hw=None,
        frames=len(frames),
        parts=2,
        is_done=True,
    )
    write_part(folder, 0, frames[:1])
    write_part(folder, 1, frames[1:])
    write_pictures(folder, frames)
    about.write(folder)
    return load_evidence(folder)


def _examined(
    name: str, truth: Uint8Array, label_ids: Uint8Array, predicted: Uint8Array, confidence: int
) -> FrameEvidence:
    sure = np.full(truth.shape, confidence, np.uint8)
    overlaps = find_overlaps(truth, predicted)
    errors = region_errors(overlaps, 1)
    return FrameEvidence(
        Counted(count_frame(name, label_ids, LABEL_ID_OF_TRAIN_ID[predicted])),
        boundary_counts(truth, predicted, 1),
        error_counts(overlaps, errors),
        confidence_counts(overlaps, sure),
        region_columns(overlaps, Uncertainty(sure, sure, sure), errors),
        predicted,
        sure,
    )
