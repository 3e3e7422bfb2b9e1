"""What the verdicts of people say about regions: a logistic regression on those judged so far."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from cityseg.arrays import BoolArray, FloatArray, IntArray
from cityseg.review import Verdict, box_ious

logger = logging.getLogger(__name__)

#: The least number of verdicts, and of each outcome.
LEAST_VERDICTS: Final = 30
LEAST_OF_OUTCOME: Final = 8
#: Verdict -> whether the label is wrong; "unclear" says nothing.
_OUTCOMES: Final = {"wrong_label": True, "network_wrong": False, "not_worth_it": False}
#: The least IoU of the boxes of a verdict and of a region that it is about.
_LEAST_FIT: Final = 0.6
#: Verdicts are of the first regions of the queue, so that few of them say nothing of the rest: the
#: belief without verdicts counts as so many more, spread over all regions; of each at most so much.
_BELIEF: Final = 400.0
_MOST_OF_A_REGION: Final = 0.2
_INVERSE_REGULARISATION: Final = 1.0


def outcomes(
    frames: Sequence[str], boxes: IntArray, seen: Sequence[str], verdicts: Sequence[Verdict]
) -> tuple[IntArray, BoolArray]:
    """The places of the regions that verdicts are about, and whether their label is wrong.

    The N regions have a frame each, a box in `boxes` (N, 4), and the label that the network has
    there. The last verdict on a region counts.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, frame in enumerate(frames):
        places[frame].append(place)
    found: dict[int, bool] = {}
    for verdict in verdicts:
        is_wrong = _OUTCOMES.get(verdict.verdict)
        near = places.get(verdict.frame, [])
        if verdict.predicted:
            near = [place for place in near if seen[place] == verdict.predicted]
        if is_wrong is None or not near:
            continue
        overlaps = box_ious(boxes[near], verdict.region.box)
        if overlaps.max() >= _LEAST_FIT:
            found[near[int(overlaps.argmax())]] = is_wrong
    return np.array([*found], np.int64), np.array([*found.values()], np.bool_)


def probabilities(
    features: FloatArray, belief: FloatArray, judged: IntArray, is_wrong: BoolArray
) -> FloatArray | None:
    """(N,) how likely each region's label is wrong, from (N, F) features and verdicts on some.

    `belief` (N,) is how likely it seems without verdicts. None where the verdicts are too few, or
    scikit-learn is not installed.
    """
    of_outcome = np.bincount(is_wrong.astype(np.int64), minlength=2)
    if of_outcome.sum() < LEAST_VERDICTS or of_outcome.min() < LEAST_OF_OUTCOME:
        return None
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        logger.warning(
            "%d verdicts would improve the ranking: install cityseg[review] to learn from them",
            len(judged),
        )
        return None
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    share = min(_BELIEF / len(belief), _MOST_OF_A_REGION)
    model = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=1000)
    model.fit(
        np.concatenate([scaled[judged], scaled, scaled]),
        np.concatenate([is_wrong, np.ones(len(belief)), np.zeros(len(belief))]),
        np.concatenate([np.ones(len(judged)), share * belief, share * (1 - belief)]),
    )
    return np.asarray(model.predict_proba(scaled)[:, 1])
