"""Counts and scores of predictions, from arrays: no files, no torch."""

from cityseg.metrics.boundaries import (
    boundary_counts,
    boundary_distance,
    boundary_iou,
)
from cityseg.metrics.calibration import (
    CONFIDENCE_BINS,
    ConfidenceCounts,
    Reliability,
    RiskCoverage,
    answered_confusion,
    confidence_counts,
    reliability,
    risk_coverage,
)
from cityseg.metrics.components import Components, connected_components
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
from cityseg.metrics.error_kinds import ERROR_KINDS, NEAR_SHARE, error_counts, error_shares
from cityseg.metrics.intervals import (
    FrameSums,
    SampledScores,
    class_intervals,
    sampled_scores,
    score_differences,
    score_intervals,
)
from cityseg.metrics.learning import Learning, follow_learning, learned_shares
from cityseg.metrics.picture import PictureScores, TruthScores, score_picture
from cityseg.metrics.regions import SIDES, Uncertainty, region_columns
from cityseg.metrics.robustness import ROBUSTNESS_ROWS, Robustness, robustness
from cityseg.metrics.scores import (
    EVALUATED_CATEGORIES,
    Scores,
    finite_or_none,
    scores_from_train_confusion,
)
from cityseg.metrics.subsets import (
    FrameMeans,
    Interval,
    frame_means,
    mean_iou_difference,
    mean_iou_interval,
)

__all__ = [
    "CONFIDENCE_BINS",
    "ERROR_KINDS",
    "EVALUATED_CATEGORIES",
    "INSTANCE_CLASSES",
    "INSTANCE_LABELS",
    "NEAR_SHARE",
    "ROBUSTNESS_ROWS",
    "SIDES",
    "Components",
    "ConfidenceCounts",
    "ConfusedFrame",
    "ConfusionStore",
    "Denominator",
    "FrameCounts",
    "FrameMeans",
    "FrameScores",
    "FrameSums",
    "InstanceStatistics",
    "Interval",
    "Learning",
    "PictureScores",
    "Reliability",
    "RiskCoverage",
    "Robustness",
    "SampledScores",
    "Scores",
    "TruthScores",
    "Uncertainty",
    "answered_confusion",
    "boundary_counts",
    "boundary_distance",
    "boundary_iou",
    "class_confusion",
    "class_frequency",
    "class_intervals",
    "confidence_counts",
    "confused_frames",
    "confusion_matrix",
    "connected_components",
    "count_frame",
    "error_counts",
    "error_shares",
    "finite_or_none",
    "follow_learning",
    "frame_means",
    "frame_scores",
    "instance_statistics",
    "learned_shares",
    "mean_iou_difference",
    "mean_iou_interval",
    "normalise_confusion",
    "rank_frames",
    "region_columns",
    "reliability",
    "risk_coverage",
    "robustness",
    "sampled_scores",
    "score_differences",
    "score_intervals",
    "score_picture",
    "scores_from_train_confusion",
]
