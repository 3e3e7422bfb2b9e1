"""Scores from arrays: counted first, divided last."""

from cityseg.metrics.confusions import (
    FrameScores,
    Whole,
    class_confusion,
    class_frequency,
    confused_frames,
    frame_scores,
    ranked,
    shares,
)
from cityseg.metrics.counts import INSTANCE_LABELS, FrameCounts, confusion_matrix, count_frame
from cityseg.metrics.picture import PictureScores, score_picture
from cityseg.metrics.scores import (
    EVALUATED_CATEGORIES,
    ConfusionStore,
    Scores,
    scores_from_train_confusion,
)

__all__ = [
    "EVALUATED_CATEGORIES",
    "INSTANCE_LABELS",
    "ConfusionStore",
    "FrameCounts",
    "FrameScores",
    "PictureScores",
    "Scores",
    "Whole",
    "class_confusion",
    "class_frequency",
    "confused_frames",
    "confusion_matrix",
    "count_frame",
    "frame_scores",
    "ranked",
    "score_picture",
    "scores_from_train_confusion",
    "shares",
]
