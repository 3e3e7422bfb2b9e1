"""What cleanlab finds on the same predictions: its segmentation module, used as it is meant to be.

cleanlab takes all probabilities at once, (N, 19, H, W), and knows no ignored pixels: where the
label is 255 it is given the predicted class, so that nothing is an issue there. It marks pixels.
Its queue of regions are the connected marked pixels of one label, in two orders.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array, as_uint8
from cityseg.data import Frame, Reading, pixel_aspect_of
from cityseg.evaluation.frames import load_frame
from cityseg.geometry import prediction_geometry
from cityseg.labels import IGNORE, TRAIN_ID_OF_LABEL_ID
from cityseg.metrics import connected_components
from cityseg.prediction import Predictor

#: Smaller ones would only fill the queue.
LEAST_PIXELS: Final = 16


class MarkedRegion(NamedTuple):
    """Marked pixels of a frame, `mask` (h, w) bool in its box, and the mean and sum of doubt."""

    frame: str
    top: int
    left: int
    mask: BoolArray
    doubt: float
    total: float


class Marked(NamedTuple):
    """The regions, the quality of each frame, and the mean loss of each, by frame."""

    regions: list[MarkedRegion]
    qualities: dict[str, float]
    losses: dict[str, float]


#: A network, and the frames that it is to judge.
Part = tuple[str | Path, Sequence[Frame]]


def mark(parts: Sequence[Part], root: Path, reading: Reading) -> Marked:
    """Let cleanlab judge the labels of frames of one size by the predictions of networks."""
    from cleanlab.segmentation.filter import find_label_issues
    from cleanlab.segmentation.rank import get_label_quality_scores

    labels, probabilities, losses = _predicted(parts, root, reading)
    issues = find_label_issues(labels, probabilities, n_jobs=1, verbose=False)
    qualities, pixel_scores = get_label_quality_scores(labels, probabilities, verbose=False)
    names = [frame.name for _, frames in parts for frame in frames]
    regions = [
        region
        for name, *maps in zip(names, labels, issues, pixel_scores, strict=True)
        for region in _regions(name, *maps)
    ]
    return Marked(
        regions,
        dict(zip(names, qualities.tolist(), strict=True)),
        dict(zip(names, losses, strict=True)),
    )


def _predicted(parts: Sequence[Part], root: Path, reading: Reading) -> tuple[Any, Any, list[float]]:
    """(N, H, W) labels, (N, 19, H, W) float32 probabilities, and the mean loss of each frame."""
    labels: list[IntArray] = []
    probabilities: Any = None  # at once in memory, as cleanlab takes them
    losses: list[float] = []
    number = sum(len(frames) for _, frames in parts)
    for truth, predicted in _predictions(parts, root, reading):
        if probabilities is None:
            probabilities = np.empty((number, *predicted.shape), np.float32)
        probabilities[len(labels)] = predicted
        is_void = truth == IGNORE
        labels.append(np.where(is_void, predicted.argmax(0), truth))
        own = np.take_along_axis(predicted, labels[-1][None], 0)[0]
        losses.append(float(-np.log(np.maximum(own[~is_void], 1e-6)).mean()))
    return np.stack(labels), probabilities, losses


def _predictions(
    parts: Sequence[Part], root: Path, reading: Reading
) -> Iterator[tuple[Uint8Array, FloatArray]]:
    """For each frame its (H, W) train ids, and (19, H, W) probabilities."""
    for network, frames in parts:
        predictor = Predictor.load(network)
        aspect = pixel_aspect_of(root, root / "masks", frames).value
        geometry = prediction_geometry(predictor.checkpoint.config, aspect)
        for frame in frames:
            loaded = load_frame(frame, reading)
            truth = as_uint8(TRAIN_ID_OF_LABEL_ID[loaded.truth.label_ids])
            with torch.inference_mode():
                logits = predictor.logits(loaded.image, geometry)
                fine = F.interpolate(
                    logits[None], truth.shape, mode="bilinear", align_corners=False
                )
                yield truth, fine.softmax(1)[0].cpu().numpy()


def _regions(
    frame: str, labels: Any, issues: BoolArray, scores: FloatArray
) -> Iterator[MarkedRegion]:
    marked: Uint8Array = np.where(issues, labels, IGNORE).astype(np.uint8)
    components = connected_components(marked)
    doubt = 1 - scores
    for number in np.flatnonzero(components.pixels >= LEAST_PIXELS).tolist():
        if not number:
            continue
        top, left, bottom, right = components.boxes[number].tolist()
        mask = components.ids[top:bottom, left:right] == number
        total = float(doubt[top:bottom, left:right][mask].sum())
        yield MarkedRegion(frame, top, left, mask, total / int(components.pixels[number]), total)
