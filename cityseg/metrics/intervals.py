"""Every score of a set of frames with its interval, from sums over frames: a bootstrap.

A set in which a frame occurs several times has that frame's sums as often, so the scores of all
draws are one product of matrices. Two networks are scored on the same draws: their difference is
paired.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cityseg.arrays import FloatArray, IntArray
from cityseg.labels import NUM_CLASSES
from cityseg.metrics.counts import INSTANCE_TRAIN_IDS
from cityseg.metrics.scores import ratio
from cityseg.metrics.subsets import REPEATS, WORST_SHARES, Interval, frame_draws, interval


class FrameSums(NamedTuple):
    """What the scores of any set of N frames follow from, a row a frame, all float64.

    - `hits` and `union` (N, 19): right pixels, and those of the class in the truth or prediction;
    - `mean_iou` (N,) and `class_iou` (N, 19): the scores of the frame alone, NaN where undefined;
    - `boundary` (N, 19, 3): see `boundary_counts`;
    - `instances` (N, 8, 3): weighted hits and misses, and false pixels, of the INSTANCE_LABELS;
    - `has_instances` (N,): 1 where there is an instance map;
    - `bins` (N, 32, 3): pixels, right pixels and the sum of the confidence, 0–1, by its bin.
    """

    hits: FloatArray
    union: FloatArray
    mean_iou: FloatArray
    class_iou: FloatArray
    boundary: FloatArray
    instances: FloatArray
    has_instances: FloatArray
    bins: FloatArray

    def of(self, frames: IntArray) -> "FrameSums":
        """Those of the frames at these (K,) indices."""
        return FrameSums(*(sums[frames] for sums in self))


class SetScores(NamedTuple):
    """Scores of R sets of frames, 0–1: by name (R,), and by name and class (R, 19)."""

    overall: Mapping[str, FloatArray]
    by_class: Mapping[str, FloatArray]


class SampledScores(NamedTuple):
    """The scores of a set of frames (R = 1), and those of sets drawn from it."""

    frames: int
    whole: SetScores
    drawn: SetScores


def sampled_scores(sums: FrameSums, *, repeats: int = REPEATS) -> SampledScores:
    """Score all frames together, and `repeats` sets of as many, drawn with repetition."""
    frames = len(sums.hits)
    whole = scores_of_sets(sums, np.ones((1, frames)))
    parts = [scores_of_sets(sums, weights) for weights in frame_draws(frames, repeats)]
    drawn = SetScores(
        *(
            {name: np.concatenate([part[kind][name] for part in parts]) for name in whole[kind]}
            for kind in (0, 1)
        )
    )
    return SampledScores(frames, whole, drawn)


def score_intervals(scores: SampledScores, *, level: float = 0.95) -> dict[str, Interval]:
    """Each score over all frames with the bounds within which `level` of the draws lie."""
    whole, drawn = scores.whole.overall, scores.drawn.overall
    return {name: interval(drawn[name], float(whole[name][0]), level) for name in whole}


def class_intervals(scores: SampledScores, name: str, *, level: float = 0.95) -> Sequence[Interval]:
    """The same for a score of each of the 19 classes."""
    whole, drawn = scores.whole.by_class[name][0], scores.drawn.by_class[name]
    return [interval(drawn[:, each], float(whole[each]), level) for each in range(NUM_CLASSES)]


def score_differences(
    scores: SampledScores, others: SampledScores, *, level: float = 0.95
) -> dict[str, Interval]:
    """Each score of `others` − that of `scores`, both of the same frames, draw by draw."""
    pairs = zip((others.whole, others.drawn), (scores.whole, scores.drawn), strict=True)
    whole, drawn = (
        {name: one.overall[name] - other.overall[name] for name in one.overall}
        for one, other in pairs
    )
    return {name: interval(drawn[name], float(whole[name][0]), level) for name in whole}


def scores_of_sets(sums: FrameSums, weights: FloatArray) -> SetScores:
    """Score R sets of frames: (R, N) `weights` say how often each frame is in each set."""
    iou = ratio(weights @ sums.hits, weights @ sums.union)
    over_frames = _weighted_means(sums.class_iou, weights)
    boundary = _boundary_iou(sums.boundary, weights)
    instances = _instance_iou(sums, weights)
    overall = {
        "mean_iou": _mean(iou),
        "frame_iou": _weighted_means(sums.mean_iou[:, None], weights)[:, 0],
        "class_frame_iou": _mean(over_frames),
        **_worst(sums.mean_iou, weights),
        "boundary_iou": _mean(boundary),
        "instance_iou": _mean(instances),
        "calibration_error": _calibration_error(sums.bins, weights),
    }
    by_class = {
        "iou": iou,
        "frame_iou": over_frames,
        "boundary_iou": boundary,
        "instance_iou": instances,
    }
    return SetScores(overall, by_class)


def _mean(iou: FloatArray) -> FloatArray:
    """(R, 19) to (R,): means of what is defined."""
    return ratio(np.nansum(iou, axis=1), (~np.isnan(iou)).sum(axis=1))


def _weighted_means(scores: FloatArray, weights: FloatArray) -> FloatArray:
    """(N, K) scores of frames to (R, K) means over those frames where they are defined."""
    defined = ~np.isnan(scores)
    return ratio(weights @ np.where(defined, scores, 0.0), weights @ defined.astype(np.float64))


def _worst(mean_iou: FloatArray, weights: FloatArray) -> dict[str, FloatArray]:
    """Means of the lowest max(1, ⌊q · frames⌋) frames, by `worst_<q in percent>`."""
    order = np.argsort(mean_iou, kind="stable")[: np.count_nonzero(~np.isnan(mean_iou))]
    ranked = mean_iou[order]
    reached = weights[:, order].cumsum(axis=1)
    frames = reached[:, -1] if ranked.size else np.zeros(len(weights))
    found = {}
    for share in WORST_SHARES:
        count = np.maximum(1, np.floor(share * frames))
        taken = np.minimum(reached, count[:, None])
        # Σ scores · (taken − taken before), summed by parts: without another array of this size.
        total = taken[:, -1:] @ ranked[-1:] - taken[:, :-1] @ np.diff(ranked)
        found[f"worst_{share:.0%}".removesuffix("%")] = ratio(total, np.where(frames, count, 0.0))
    return found


def _boundary_iou(counts: FloatArray, weights: FloatArray) -> FloatArray:
    truth, prediction, both = _summed(counts, weights)
    return ratio(both, truth + prediction - both)


def _instance_iou(sums: FrameSums, weights: FloatArray) -> FloatArray:
    hits, misses, false = _summed(sums.instances, weights)
    iou = np.full((len(weights), NUM_CLASSES), np.nan)
    iou[:, INSTANCE_TRAIN_IDS] = ratio(hits, hits + misses + false)
    iou[weights @ sums.has_instances == 0] = np.nan
    return iou


def _calibration_error(bins: FloatArray, weights: FloatArray) -> FloatArray:
    pixels, right, confidence = _summed(bins, weights)
    return ratio(np.abs(right - confidence).sum(axis=1), pixels.sum(axis=1))


def _summed(counts: FloatArray, weights: FloatArray) -> FloatArray:
    """(N, K, 3) counts of frames to (3, R, K) sums over sets."""
    return np.moveaxis(np.tensordot(weights, counts, axes=1), -1, 0)
