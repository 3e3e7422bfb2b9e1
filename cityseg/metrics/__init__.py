"""Counts and scores of predictions, from arrays: no files, no torch."""

from cityseg.metrics.confusions import (
    ConfusedFrame,
    ConfusionStore,
    Denominator,
    FrameScores,
    class_confusion,
    class_frequency,
    confused_frames,
    frame_scores,
    normalise_confusion,
    rank_frames,
)
from cityseg.metrics.counts import (
    INSTANCE_CLASSES,
    INSTANCE_LABELS,
    FrameCounts,
    InstanceStatistics,
    confusion_matrix,
    count_frame,
    instance_statistics,
)
from cityseg.metrics.picture import PictureScores, TruthScores, score_picture
from cityseg.metrics.scores import (
    EVALUATED_CATEGORIES,
    Scores,
    finite_or_none,
    scores_from_train_confusion,
)

__all__ = [
    "EVALUATED_CATEGORIES",
    "INSTANCE_CLASSES",
    "INSTANCE_LABELS",
    "ConfusedFrame",
    "ConfusionStore",
    "Denominator",
    "FrameCounts",
    "FrameScores",
    "InstanceStatistics",
    "PictureScores",
    "Scores",
    "TruthScores",
    "class_confusion",
    "class_frequency",
    "confused_frames",
    "confusion_matrix",
    "count_frame",
    "finite_or_none",
    "frame_scores",
    "instance_statistics",
    "normalise_confusion",
    "rank_frames",
    "score_picture",
    "scores_from_train_confusion",
]
