"""Scores over the frames of a set: per-frame means, the worst frames, and how sure a score is.

A confusion summed over frames hides that a network may fail on a few of them. Source of the means:
Wang et al., *Revisiting Evaluation Metrics for Semantic Segmentation*, arXiv 2310.19252.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.labels import CLASS_NAMES
from cityseg.metrics.confusions import FrameScores
from cityseg.metrics.scores import ratio

#: Shares of the frames that `worst` is given for.
WORST_SHARES: Final = (0.01, 0.05, 0.10)
#: Sets that are drawn for an interval.
REPEATS: Final = 1000
#: Draws that are scored at a time: they bound the memory.
_AT_ONCE: Final = 250


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
    confusions: npt.NDArray[np.integer[Any]],
    *,
    classes: Collection[str] = CLASS_NAMES,
    level: float = 0.95,
    repeats: int = REPEATS,
) -> Interval:
    """The mean IoU of (N, 19, M) confusions with a bootstrap interval over frames.

    M is 19 or 20, see `class_confusion`. `classes` are those that the network can answer: the
    others have no IoU. The interval is that of `repeats` sets of N frames drawn with repetition
    (percentiles; the draws are always the same ones). NaN without a frame.
    """
    is_answered = [name in classes for name in CLASS_NAMES]
    counts = [each[:, is_answered] for each in _hits_and_unions(confusions)]
    return interval(_resampled(counts, repeats), _mean_iou(counts), level)


def mean_iou_difference(
    confusions: npt.NDArray[np.integer[Any]],
    others: npt.NDArray[np.integer[Any]],
    *,
    level: float = 0.95,
    repeats: int = REPEATS,
) -> Interval:
    """The mean IoU of `others` − that of `confusions`, both (N, 19, M) of the same frames.

    Paired: both are scored on the same draws, so that what makes a frame hard for both cancels.
    """
    mine, theirs = _hits_and_unions(confusions), _hits_and_unions(others)
    drawn = _resampled(theirs, repeats) - _resampled(mine, repeats)
    return interval(drawn, _mean_iou(theirs) - _mean_iou(mine), level)


def interval(drawn: FloatArray, score: float, level: float) -> Interval:
    """A score with the bounds within which `level` of its (R,) draws lie; NaN draws are ignored."""
    defined = drawn[~np.isnan(drawn)]
    if not defined.size:
        return Interval(score, math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(score, float(low), float(high))


def frame_draws(frames: int, repeats: int) -> Iterator[FloatArray]:
    """How often each frame is in each of `repeats` sets of `frames`, drawn with repetition.

    Yields (R, `frames`) float64 arrays, whose R make up `repeats`; always the same ones.
    """
    draws = _draws(frames, repeats)
    for first in range(0, repeats, _AT_ONCE):
        yield draws[first : first + _AT_ONCE].astype(np.float64)


@lru_cache(maxsize=4)
def _draws(frames: int, repeats: int) -> Uint8Array:
    rng = np.random.default_rng(0)
    draws = np.zeros((repeats, frames), np.uint8)
    for row in draws if frames else ():
        row[:] = np.bincount(rng.integers(0, frames, frames), minlength=frames)
    draws.flags.writeable = False
    return draws


def _resampled(counts: Sequence[IntArray], repeats: int) -> FloatArray:
    """(repeats,) mean IoUs of as many frames, drawn with repetition; the same draws for each N.

    `counts` are `_hits_and_unions`, of all classes or some.
    """
    hits, union = (each.astype(np.float64) for each in counts)
    parts = [
        _means(ratio(draws @ hits, draws @ union)) for draws in frame_draws(len(hits), repeats)
    ]
    return np.concatenate(parts)


def _mean_iou(counts: Sequence[IntArray]) -> float:
    hits, union = counts
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
