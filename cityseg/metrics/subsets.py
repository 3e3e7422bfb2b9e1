"""Scores over the frames of a set: per-frame means, the worst frames, and how sure a score is.

A confusion summed over frames hides that a network may fail on a few of them. Source of the means:
Wang et al., *Revisiting Evaluation Metrics for Semantic Segmentation*, arXiv 2310.19252.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray
from cityseg.metrics.confusions import FrameScores
from cityseg.metrics.scores import ratio

#: Shares of the frames that `worst` is given for.
WORST_SHARES: Final = (0.01, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class FrameMeans:
    """Mean IoUs from single frames, in which a class counts where the ground truth has it.

    `by_frame` (mIoU-I): mean over frames of the mean over their classes. `by_class` (mIoU-C): mean
    over classes of the mean over their frames. `worst`: mean of the lowest max(1, ⌊q · N⌋) frames
    by share q. NaN without a frame.
    """

    by_frame: float
    by_class: float
    worst: dict[float, float]


def frame_means(frames: FrameScores) -> FrameMeans:
    """Average the scores of single frames; frames without an evaluated pixel are left out."""
    scores = np.sort(frames.mean_iou[~np.isnan(frames.mean_iou)])
    if not scores.size:
        return FrameMeans(math.nan, math.nan, dict.fromkeys(WORST_SHARES, math.nan))
    present = ~np.isnan(frames.class_iou)
    of_class = ratio(np.nansum(frames.class_iou, axis=0), present.sum(axis=0))
    worst = {q: float(scores[: max(1, int(q * scores.size))].mean()) for q in WORST_SHARES}
    return FrameMeans(float(scores.mean()), float(np.nanmean(of_class)), worst)


class Interval(NamedTuple):
    """A score over all frames and the bounds between which it lies for other such frames."""

    score: float
    low: float
    high: float


def mean_iou_interval(
    confusions: npt.NDArray[np.integer[Any]], *, level: float = 0.95, repeats: int = 2000
) -> Interval:
    """The mean IoU of (N, 19, M) confusions with a bootstrap interval over frames.

    M is 19 or 20, see `class_confusion`. The interval is that of `repeats` sets of N frames drawn
    with repetition (percentiles; the draws are always the same ones). NaN without a frame.
    """
    return _interval(_resampled(confusions, repeats), _mean_iou(confusions), level)


def mean_iou_difference(
    confusions: npt.NDArray[np.integer[Any]],
    others: npt.NDArray[np.integer[Any]],
    *,
    level: float = 0.95,
    repeats: int = 2000,
) -> Interval:
    """The mean IoU of `others` − that of `confusions`, both (N, 19, M) of the same frames.

    Paired: both are scored on the same draws, so that what makes a frame hard for both cancels.
    """
    drawn = _resampled(others, repeats) - _resampled(confusions, repeats)
    return _interval(drawn, _mean_iou(others) - _mean_iou(confusions), level)


def _interval(drawn: FloatArray, score: float, level: float) -> Interval:
    defined = drawn[~np.isnan(drawn)]
    if not defined.size:
        return Interval(score, math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(score, float(low), float(high))


def _resampled(confusions: npt.NDArray[np.integer[Any]], repeats: int) -> FloatArray:
    """(repeats,) mean IoUs of as many frames, drawn with repetition; the same draws for each N."""
    frames = len(confusions)
    if not frames:
        return np.full(repeats, math.nan)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(frames, np.full(frames, 1 / frames), size=repeats)
    hits, union = _hits_and_unions(confusions)
    return _means(ratio(draws @ hits, draws @ union))


def _mean_iou(confusions: npt.NDArray[np.integer[Any]]) -> float:
    hits, union = _hits_and_unions(confusions)
    return float(_means(ratio(hits.sum(axis=0), union.sum(axis=0))[None])[0])


def _hits_and_unions(confusions: npt.NDArray[np.integer[Any]]) -> Sequence[IntArray]:
    """(N, 19) int64 each: right pixels, and pixels of the class in the truth or the prediction."""
    counts = confusions.astype(np.int64)
    classes = counts.shape[1]
    hits = np.einsum("ncc->nc", counts[:, :, :classes])
    union = counts.sum(axis=2) + counts[:, :, :classes].sum(axis=1) - hits
    return hits, union


def _means(iou: FloatArray) -> FloatArray:
    """(K, 19) IoUs to (K,) means of those that are defined."""
    return ratio(np.nansum(iou, axis=1), (~np.isnan(iou)).sum(axis=1))
