"""What the scores of any set of frames follow from, taken out of the evidence once."""

import numpy as np

from cityseg.evaluation.evidence_files import Evidence
from cityseg.labels import NUM_CLASSES
from cityseg.metrics import CONFIDENCE_BINS, INSTANCE_TRAIN_IDS, FrameSums

_LEVELS = 255.0  # of the confidence


def frame_sums(evidence: Evidence) -> FrameSums:
    """The sums of each of the N frames, in their order."""
    confusions = evidence.class_confusions
    evaluated = confusions[:, :, :NUM_CLASSES]
    hits = evaluated.diagonal(axis1=1, axis2=2)
    false = evaluated.sum(axis=1) - hits
    of_instances = false[:, INSTANCE_TRAIN_IDS, None]
    counts, is_answered = evidence.counts, evidence.is_answered.astype(np.float64)
    instances = np.concatenate([counts.classes, of_instances], axis=2)
    return FrameSums(
        hits.astype(np.float64),
        (confusions.sum(axis=2) + false) * is_answered,
        evidence.frame_scores.mean_iou,
        evidence.frame_scores.class_iou,
        counts.boundary * is_answered[:, None],
        instances * is_answered[INSTANCE_TRAIN_IDS, None],
        counts.has_instances.astype(np.float64),
        _bins(evidence),
    )


def _bins(evidence: Evidence) -> np.ndarray:
    """(N, 32, 3): pixels, right pixels and the sum of their confidence, by its bin."""
    counts = evidence.counts
    frames = len(counts.names)
    pair, level = np.divmod(counts.cells.astype(np.int64), CONFIDENCE_BINS)
    truth, predicted = np.divmod(pair, NUM_CLASSES)
    row = np.repeat(np.arange(frames), np.diff(counts.offsets)) * CONFIDENCE_BINS + level
    size, right = frames * CONFIDENCE_BINS, truth == predicted
    sums = [
        np.bincount(row, counts.cell_pixels, size),
        np.bincount(row[right], counts.cell_pixels[right], size),
        counts.confidence.sum(axis=1).ravel() / _LEVELS,
    ]
    return np.stack(sums, axis=1).reshape(frames, CONFIDENCE_BINS, 3)
